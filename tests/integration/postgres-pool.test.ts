/** The pool in front of a real PostgreSQL: bounded, timed, observed, and whole again after the server was killed or hung. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { UnavailableError } from '#core/errors';
import type { Storage } from '#storage/index';
import { waitFor } from '../helpers/hub-process.ts';
import { behindPgbouncer } from '../helpers/pgbouncer.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { openTestStorage, POOL } from '../helpers/storage.ts';
import type { TestStorage } from '../helpers/storage.ts';

const unavailable = { name: 'UnavailableError', code: 'database_unavailable' };

/** Each test has a database of its own on it, and one that stops or kills it has it running again before it ends. */
let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.close());

describe('the pool of PostgreSQL connections', () => {
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
    assert.ok(
      told.waits.filter((waitedMs) => waitedMs > 100).length >= 4,
      `who waited was not told: ${told.waits.join(' ')}`,
    );
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
    const [line, ...others] = told.logged.filter(
      ({ event, fields }) => event === 'query-slow' && fields['query'] === 'test.slow',
    );
    assert.deepEqual(others, []);
    assert.deepEqual([line?.fields['query'], line?.fields['failed']], ['test.slow', true]);
    assert.deepEqual(Object.keys(line?.fields ?? {}).toSorted(), ['durationMs', 'failed', 'query']);
    assert.doesNotMatch(JSON.stringify(told), /a prompt/);
    assert.equal(told.queries.find(({ query }) => query === 'test.slow')?.failed, true);
  });

  it('gives a caller up when the server hangs, and is whole again when it goes on', async (t) => {
    const { storage } = await open(t, { max: 2, waitMs: 5_000, statementTimeoutMs: 1_000 });
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
    const underWay = assert.rejects(sleep(storage, 30), unavailable);
    await waitFor(() => (storage.poolStats().idle === 1 ? true : null));
    await postgres.kill();
    await underWay;
    // The idle one breaks too, which is in the log and ends nothing.
    await waitFor(() => told.logged.find(({ event }) => event === 'database-connection-lost'));
    await assert.rejects(storage.ping(), unavailable);
    await postgres.restart();
    await waitFor(() => storage.ping().then(() => true, ifUnavailable));
    assert.notEqual(await backend(storage), old);
  });
});

describe('what a connection is told and keeps', () => {
  async function open(t: TestContext, url: string, pool: Partial<typeof POOL>): Promise<Storage> {
    const { storage } = await openTestStorage({ kind: 'postgres', url, pool: { ...POOL, ...pool } });
    t.after(() => storage.close());
    return storage;
  }

  it('a session has its times, and what is asked often is prepared once', async (t) => {
    const storage = await open(t, await postgres.createDatabase(), { max: 1 });
    assert.equal(await setting(storage, 'statement_timeout'), '2s');
    assert.equal(await setting(storage, 'idle_in_transaction_session_timeout'), '30s');
    for (let call = 0; call < 3; call++) await storage.stores.keys.findById(`key_${call}`);
    const names = await storage.ask('prepared', async (db) =>
      sql<{ name: string }>`select name from pg_prepared_statements where statement like '%"keys"%'`.execute(db),
    );
    assert.deepEqual(
      names.rows.map(({ name }) => /^revoagent_\d+$/.test(name)),
      [true],
    );
  });

  it('a column that a newer version adds fails no statement that was prepared before', async (t) => {
    const url = await postgres.createDatabase();
    const [storage, newer] = [await open(t, url, { max: 1 }), await open(t, url, { max: 1 })];
    for (let call = 0; call < 3; call++) await storage.stores.keys.findById('key_none');
    const old = await backend(storage);
    await newer.ask('migrate', async (db) => sql`alter table keys add column later text`.execute(db));
    assert.equal(await storage.stores.keys.findById('key_none'), null);
    assert.notEqual(await backend(storage), old, 'the connection with the old plan is gone');
  });

  it('behind pgbouncer, which lends by transaction, everything works and nothing is left on its connections', async (t) => {
    const url = await behindPgbouncer(t, await postgres.createDatabase(), 2);
    const storage = await open(t, url, { max: 20, mode: 'transaction' });
    const page = { limit: 5 };
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          await storage.stores.keys.findById('key_none');
          await storage.stores.runs.list('prj_none', undefined, page);
        }),
      );
    }
    const left = await storage.ask('left', async (db) =>
      sql<{ count: number }>`select count(*) from pg_prepared_statements`.execute(db),
    );
    assert.equal(left.rows[0]?.count, 0);
    const again = await open(t, url, { max: 2, mode: 'transaction' });
    assert.deepEqual(again.migrated, [], 'its migrations and their lock are transactions too');
  });

  it('behind pgbouncer a hub that was not told so says what to do', async (t) => {
    const url = await behindPgbouncer(t, await postgres.createDatabase(), 2);
    await assert.rejects(openTestStorage({ kind: 'postgres', url, pool: POOL }), /storage\.pool\.mode.*transaction/);
  });
});

async function setting(storage: Storage, name: string): Promise<string | undefined> {
  const { rows } = await storage.ask('setting', async (db) =>
    sql<{ value: string }>`select current_setting(${name}) as value`.execute(db),
  );
  return rows[0]?.value;
}

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
