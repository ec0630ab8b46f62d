/** The pool in front of a real PostgreSQL: bounded, timed, observed, and whole again after the server was killed or hung. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { UnavailableError } from '#core/errors';
import type { Storage } from '#storage/index';
import { waitFor } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { openTestStorage, POOL } from '../helpers/storage.ts';
import type { TestStorage } from '../helpers/storage.ts';

const unavailable = { name: 'UnavailableError', code: 'database_unavailable' };

describe('the pool of PostgreSQL connections', () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.close());

  async function open(t: TestContext, pool: Partial<typeof POOL>, slowQueryMs?: number): Promise<TestStorage> {
    const target = { kind: 'postgres', url: await postgres.createDatabase(), pool: { ...POOL, ...pool } } as const;
    const opened = await openTestStorage(target, slowQueryMs === undefined ? {} : { slowQueryMs });
    t.after(() => opened.storage.close());
    opened.told.waits.length = 0;
    return opened;
  }

  it('never holds more connections than it may, and tells its size and who waits', async (t) => {
    const { storage, told } = await open(t, { max: 2, waitMs: 30_000 });
    const asked = Array.from({ length: 6 }, () => sleep(storage, 0.2));
    await waitFor(() => (storage.poolStats().waiting === 4 ? true : null));
    assert.deepEqual(storage.poolStats(), { max: 2, total: 2, idle: 0, waiting: 4 });
    await Promise.all(asked);
    assert.deepEqual(storage.poolStats(), { max: 2, total: 2, idle: 2, waiting: 0 });
    assert.equal(await connections(storage), 2);
    assert.equal(told.waits.length, 7);
    assert.ok(told.waits.filter((waitedMs) => waitedMs > 100).length >= 4, `who waited was not told: ${told.waits}`);
    const slept = told.queries.filter(({ query }) => query === 'sleep');
    assert.equal(slept.length, 6);
    assert.ok(
      slept.every(({ durationMs, failed }) => durationMs >= 195 && !failed),
      'the time of a query holds its wait',
    );
  });

  it('lets nobody wait for a connection for ever', async (t) => {
    const { storage } = await open(t, { max: 1, waitMs: 100 });
    const long = sleep(storage, 1);
    await assert.rejects(storage.ping(), unavailable);
    await long;
    await storage.ping();
  });

  it('has the server end a statement at its deadline, and logs it as slow without what was in it', async (t) => {
    const { storage, told } = await open(t, { statementTimeoutMs: 100 }, 50);
    const asked = storage.ask('test.slow', async (db) => sql`select pg_sleep(30), ${'a prompt'}::text`.execute(db));
    await assert.rejects(asked, unavailable);
    assert.equal(await running(storage, 'pg_sleep'), 0, 'the server still runs what nobody waits for');
    const [line, ...others] = told.logged.filter(({ event }) => event === 'query-slow');
    assert.deepEqual(others, []);
    assert.deepEqual([line?.fields['query'], line?.fields['failed']], ['test.slow', true]);
    assert.deepEqual(Object.keys(line?.fields ?? {}).toSorted(), ['durationMs', 'failed', 'query']);
    assert.doesNotMatch(JSON.stringify(told), /a prompt/);
    assert.equal(told.queries.find(({ query }) => query === 'test.slow')?.failed, true);
  });

  it('gives a caller up when the server hangs, and is whole again when it goes on', async (t) => {
    const { storage } = await open(t, { max: 2, waitMs: 200, statementTimeoutMs: 200 });
    await Promise.all([sleep(storage, 0.05), sleep(storage, 0.05)]);
    postgres.stop();
    try {
      for (let call = 0; call < 3; call++) await assert.rejects(storage.ping(), unavailable);
    } finally {
      postgres.cont();
    }
    await waitFor(() => storage.ping().then(() => true, ifUnavailable));
    assert.deepEqual(storage.poolStats().waiting, 0);
  });

  it('can be closed while the server hangs', async () => {
    const target = { kind: 'postgres', url: await postgres.createDatabase(), pool: POOL } as const;
    const { storage } = await openTestStorage(target);
    await storage.ping();
    postgres.stop();
    try {
      await storage.close();
    } finally {
      postgres.cont();
    }
  });

  it('replaces its connections after the server was killed and started again', async (t) => {
    const { storage, told } = await open(t, { max: 2 });
    await Promise.all([sleep(storage, 0.05), sleep(storage, 0.05)]);
    const old = await backend(storage);
    await postgres.kill();
    await assert.rejects(storage.ping(), unavailable);
    await postgres.restart();
    await waitFor(() => storage.ping().then(() => true, ifUnavailable));
    assert.notEqual(await backend(storage), old);
    assert.ok(
      told.logged.some(({ event }) => event === 'database-connection-lost'),
      'an idle connection that broke is in the log',
    );
  });
});

function sleep(storage: Storage, seconds: number): Promise<unknown> {
  return storage.ask('sleep', async (db) => sql`select pg_sleep(${seconds})`.execute(db));
}

async function connections(storage: Storage): Promise<number> {
  const { rows } = await storage.ask('count', async (db) =>
    sql<{ count: number }>`select count(*) from pg_stat_activity
      where application_name = 'revoagent' and datname = current_database()`.execute(db),
  );
  return rows[0]?.count ?? 0;
}

async function running(storage: Storage, text: string): Promise<number> {
  const { rows } = await storage.ask('running', async (db) =>
    sql<{ count: number }>`select count(*) from pg_stat_activity
      where state = 'active' and pid <> pg_backend_pid() and query like ${`%${text}%`}`.execute(db),
  );
  return rows[0]?.count ?? 0;
}

async function backend(storage: Storage): Promise<number | undefined> {
  const { rows } = await storage.ask('backend', async (db) =>
    sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db),
  );
  return rows[0]?.pid;
}

function ifUnavailable(error: unknown): null {
  if (error instanceof UnavailableError) return null;
  throw error;
}
