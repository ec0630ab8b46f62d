/** Every kind of tier, over the real thing, for the suites: several openings of one namespace share what they keep. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { CACHE_TABLES } from '../../src/cache/database/statements.ts';
import { DatabaseTier } from '../../src/cache/database/tier.ts';
import type { DatabasePort, Row } from '../../src/cache/database/tier.ts';
import { MemoryTier } from '../../src/cache/memory-tier.ts';
import { connectRedis } from '#redis/index';
import { unpackNewDatabase } from '#storage/new-database';
import { RedisTier } from '../../src/cache/redis/tier.ts';
import type { Tier } from '../../src/cache/tier.ts';
import { waitFor } from './hub-process.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface TierMaker {
  open(namespace: string): Promise<Tier>;
  /** Lets time go by, where it does not by itself. */
  pass(ms: number): void;
  /** What the tier knows of tags and prefixes, as it would be so much later; leases and entries stay as they are. */
  ageMarks(namespace: string, ms: number): Promise<void>;
  end(): Promise<void>;
}

const MB = 1024 * 1024;

const AGE_MARKS = {
  redis: {
    name: 'age-marks',
    lua: `
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. 'm:*')) do
  local left = redis.call('PTTL', key) - ARGV[1]
  if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
end`,
  },
  database: `update cache_marks set dies_at = dies_at - $2::float8 * interval '1 millisecond' where namespace = $1`,
};

async function ageMarksIn(port: DatabasePort, namespace: string, ms: number): Promise<void> {
  await port.query(AGE_MARKS.database, [namespace, ms]);
  await new DatabaseTier(port, { namespace }).purge();
}

/** Without a parser numbers of 64 bits come as text, with one as they are told: the tier takes both. */
function portOfPool(pool: pg.Pool): DatabasePort {
  return {
    query: async (text, values) => (await pool.query<Row>(text, [...values])).rows,
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        const result = await work(async (text, values) => (await client.query<Row>(text, [...values])).rows);
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
      }
    },
  };
}

async function postgresMaker(): Promise<TierMaker> {
  const postgres = await startPostgres();
  const pool = new pg.Pool({ connectionString: postgres.url, max: 8 });
  pool.on('error', () => undefined);
  await pool.query(CACHE_TABLES);
  return {
    open: async (namespace) => new DatabaseTier(portOfPool(pool), { namespace }),
    pass: () => undefined,
    ageMarks: (namespace, ms) => ageMarksIn(portOfPool(pool), namespace, ms),
    async end() {
      await pool.end();
      await postgres.close();
    },
  };
}

async function pgliteMaker(): Promise<TierMaker> {
  // In a folder, as a hub has it, and unpacked: in memory PGlite would make a new one first, which takes seconds of a core.
  const dataDir = await mkdtemp(path.join(tmpdir(), 'revoagent-tier-'));
  unpackNewDatabase(dataDir);
  const database = await PGlite.create({ dataDir });
  await database.exec(CACHE_TABLES);
  const port: DatabasePort = {
    query: async (text, values) => (await database.query<Row>(text, [...values])).rows,
    transaction: (work) =>
      database.transaction((inside) => work(async (text, values) => (await inside.query<Row>(text, [...values])).rows)),
  };
  return {
    open: async (namespace) => new DatabaseTier(port, { namespace }),
    pass: () => undefined,
    ageMarks: (namespace, ms) => ageMarksIn(port, namespace, ms),
    async end() {
      await database.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function memoryMaker(): Promise<TierMaker> {
  const clock = new VirtualClock();
  const tiers = new Map<string, MemoryTier>();
  return {
    async open(namespace) {
      const tier = tiers.get(namespace) ?? new MemoryTier(clock, { bytesMax: 16 * MB, entryBytesMax: MB });
      tiers.set(namespace, tier);
      return tier;
    },
    pass: (ms) => clock.jump(ms),
    ageMarks: async () => undefined,
    end: async () => undefined,
  };
}

async function redisMaker(): Promise<TierMaker> {
  const redis = await startRedis();
  const port = connectRedis({ url: redis.url });
  return {
    async open(namespace) {
      const tier = new RedisTier(connectRedis({ url: redis.url }), { namespace });
      await waitFor(() => tier.position().catch(() => undefined));
      return tier;
    },
    pass: () => undefined,
    ageMarks: async (namespace, ms) => {
      await port.run(AGE_MARKS.redis, [`revoagent:cache:${namespace}:`], [ms]);
    },
    async end() {
      port.close();
      await redis.close();
    },
  };
}

export const tierMakers: Readonly<Record<string, () => Promise<TierMaker>>> = {
  memory: memoryMaker,
  Redis: redisMaker,
  PostgreSQL: postgresMaker,
  PGlite: pgliteMaker,
};
