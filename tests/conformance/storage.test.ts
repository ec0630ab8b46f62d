/** Every database that the hub can be configured with, through the one suite; and what only a database with several hubs must do. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sql } from 'kysely';
import { systemClock } from '#core/clock';
import { migrate } from '../../src/storage/migrate.ts';
import { migrations } from '../../src/storage/migrations/index.ts';
import { postgresSource } from '../../src/storage/postgres.ts';
import { waitFor } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { openTestStorage, POOL } from '../helpers/storage.ts';
import { unobserved } from '../helpers/unobserved.ts';
import { storageSuite } from './storage-suite.ts';

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.close());

storageSuite('PostgreSQL', async () => ({
  create: async () => ({ kind: 'postgres', url: await postgres.createDatabase(), pool: POOL }),
  destroy: async () => undefined,
}));

storageSuite('PGlite', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-pglite-'));
  let made = 0;
  // The one that most tests share has been started before; those that are made later are new.
  await readyDatabase(path.join(folder, '1'));
  return {
    create: async () => ({ kind: 'embedded', dataDir: path.join(folder, String(++made)), queryTimeoutMs: 10_000 }),
    destroy: () => rm(folder, { recursive: true, force: true }),
  };
});

describe('a PostgreSQL', () => {
  it('that could not hold every text is refused before anything is in it', async () => {
    const { storage } = await openTestStorage({ kind: 'postgres', url: await postgres.createDatabase(), pool: POOL });
    await sql`create database latin encoding 'LATIN1' template template0`.execute(storage.db);
    await storage.close();
    const url = postgres.url.replace(/[^/]*$/, 'latin');
    await assert.rejects(openTestStorage({ kind: 'postgres', url, pool: POOL }), /^Error: its encoding is LATIN1/);
  });

  it('whose tables are up to date needs no right to make any', async () => {
    const url = await postgres.createDatabase();
    const owner = (await openTestStorage({ kind: 'postgres', url, pool: POOL })).storage;
    await sql`create role app login`.execute(owner.db);
    await sql`grant select, insert, update, delete on all tables in schema public to app`.execute(owner.db);
    await owner.close();
    const { storage } = await openTestStorage({ kind: 'postgres', url: url.replace('test@', 'app@'), pool: POOL });
    assert.deepEqual([storage.migrated, await storage.stores.keys.anyActive()], [[], false]);
    await storage.close();
  });
});

describe('several hubs on one PostgreSQL', () => {
  it('that start at the same moment apply each migration once, and all of them start', async () => {
    const url = await postgres.createDatabase();
    const opened = await Promise.all(
      Array.from({ length: 6 }, () => openTestStorage({ kind: 'postgres', url, pool: POOL })),
    );
    assert.deepEqual(
      opened.flatMap(({ storage }) => storage.migrated),
      migrations.map((migration) => migration.name),
    );
    for (const { storage } of opened) {
      await storage.ping();
      await storage.close();
    }
  });

  it('write while a newer one takes the foreign keys away, and neither ends the other', async () => {
    const url = await postgres.createDatabase();
    const onIdleError = (error: Error): never => assert.fail(error);
    const source = postgresSource(url, POOL, { clock: systemClock, observer: unobserved, onIdleError });
    const place = migrations.findIndex(({ name }) => name === '0012-records');
    await migrate(source, migrations.slice(0, place));
    const writer = await source.acquire();
    // An insert of the version before: it has its table, and comes to the one that its foreign key names.
    await writer.query('begin', []);
    await writer.query('lock table usage in row exclusive mode', []);
    const write = async (): Promise<void> => {
      const waits = `select from pg_locks where relation = 'usage'::regclass and not granted`;
      await waitFor(async () => (await writer.query(waits, [])).rows[0]);
      await writer.query('select from projects for key share', []);
      await writer.query('commit', []);
    };
    const [migrated, written] = await Promise.allSettled([
      migrate(source, migrations.slice(0, place + 1)),
      write().finally(() => writer.release()),
    ]);
    await source.close();
    assert.deepEqual(
      [migrated, written],
      [
        { status: 'fulfilled', value: ['0012-records'] },
        { status: 'fulfilled', value: undefined },
      ],
    );
  });
});
