/** How each fault is made on real servers, and ended. */
import pg from 'pg';
import type { TestPostgres } from '../helpers/postgres.ts';
import type { TestRedis } from '../helpers/redis.ts';
import type { Proxy } from './proxy.ts';
import type { Fault } from './table.ts';

export interface Breakable {
  begin(fault: Fault): Promise<void>;
  end(fault: Fault): Promise<void>;
}

interface Server {
  kill(): Promise<void>;
  stop(): void;
  cont(): void;
  restart(): Promise<void>;
}

/** What is the same for every server behind a proxy. */
function breakable(
  server: Server,
  proxy: Proxy,
  own: Record<'empty' | 'full', () => Promise<() => Promise<void>>>,
): Breakable {
  let mend = async (): Promise<void> => undefined;
  return {
    async begin(fault) {
      if (fault === 'refused') await proxy.set('refuse');
      else if (fault === 'slow' || fault === 'cut') await proxy.set(fault);
      else if (fault === 'stopped') server.stop();
      else if (fault === 'killed') {
        await proxy.set('refuse');
        await server.kill();
      } else mend = await own[fault]();
    },
    async end(fault) {
      if (fault === 'stopped') server.cont();
      else if (fault === 'killed') await server.restart();
      else if (fault === 'empty' || fault === 'full') await mend();
      await proxy.set('pass');
    },
  };
}

export function breakableRedis(redis: TestRedis, proxy: Proxy): Breakable {
  return breakable(redis, proxy, {
    async empty() {
      await redis.restart();
      return async () => undefined;
    },
    async full() {
      await redis.command('CONFIG', 'SET', 'maxmemory', '1');
      return async () => void (await redis.command('CONFIG', 'SET', 'maxmemory', '0'));
    },
  });
}

export function breakablePostgres(postgres: TestPostgres, proxy: Proxy, database: string): Breakable {
  return breakable(postgres, proxy, {
    async empty() {
      const moved = `${database}_moved`;
      await rename(postgres.url, database, moved);
      return () => rename(postgres.url, moved, database);
    },
    full: () => takeEveryConnection(postgres.url, database),
  });
}

const END_ITS_SESSIONS = 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1';

/** A session that comes between is ended too. */
async function rename(url: string, from: string, to: string): Promise<void> {
  const client = await connected(url);
  for (let tries = 0; ; tries++) {
    await client.query(END_ITS_SESSIONS, [from]);
    try {
      await client.query(`alter database ${from} rename to ${to}`);
      break;
    } catch (error) {
      if (tries === 50) throw error;
    }
  }
  await client.end();
}

async function takeEveryConnection(url: string, database: string): Promise<() => Promise<void>> {
  const taken: pg.Client[] = [await connected(url)];
  const take = async (): Promise<void> => {
    for (;;) {
      const client = await connected(url).catch(() => null);
      if (client === null) return;
      taken.push(client);
    }
  };
  await take();
  // What the hub holds is ended and taken too, before it is back.
  await taken[0]?.query(END_ITS_SESSIONS, [database]);
  await take();
  return async () => void (await Promise.all(taken.map((client) => client.end())));
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
