/**
 * Every call that an upstream saw has one row in the usage ledger, settled or interrupted: after `kill -9` in the middle of them, and
 * after a database that was away. The upstream is in this process and counts what it saw; the kills are real.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import pg from 'pg';
import type { StorageTarget } from '#storage/index';
import { startHubProcess, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { assertHonest, assertOneRowACall, configFor, rowsOf, sendAll } from '../helpers/ledger-calls.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { answers, refuses, startUpstream } from '../helpers/upstream.ts';

const REQUESTS = 500;
const KILL_AT = 250;

async function killed(t: TestContext, target: (dataDir: string) => StorageTarget): Promise<void> {
  const upstream = await startUpstream(t);
  // Every tenth call fails, so that some requests have two rows.
  upstream.otherwise = (exchange) => (upstream.received.length % 10 === 0 ? refuses(503) : answers())(exchange);
  const dataDir = await temporaryFolder(t);
  const storage = target(path.join(dataDir, 'data'));
  const config = configFor(upstream, storage.kind === 'postgres' ? { url: storage.url } : {});
  const hub = await startHubProcess(t, { dataDir, config });
  const { otherwise } = upstream;
  upstream.otherwise = (exchange) => {
    if (upstream.received.length === KILL_AT) hub.process.kill('SIGKILL');
    return otherwise(exchange);
  };
  await sendAll(hub, 0, REQUESTS);
  assert.ok(upstream.received.length >= KILL_AT && upstream.received.length < REQUESTS, 'it was killed in the middle');

  const again = await startHubProcess(t, { dataDir, config });
  await sendAll(again, REQUESTS, REQUESTS + 20);
  await waitFor(() => (/"ledger-adopted"/.test(again.output()) ? true : null), 30_000, again.output);
  assert.equal(await again.end('SIGTERM'), 0, again.output());
  assert.deepEqual(await readdir(path.join(dataDir, 'data', 'ledger')), [], 'no journal is left');
  const rows = await rowsOf(storage);
  assertOneRowACall(upstream, rows);
  assertHonest(rows);
  assert.ok(rows.some(({ state }) => state === 'interrupted') && rows.some(({ kind }) => kind === 'fallback'));
}

describe('kill -9 in the middle of 500 requests', () => {
  it('leaves one row for each call the upstream saw, on an embedded hub', (t) =>
    killed(t, (dataDir) => ({ kind: 'embedded', dataDir, queryTimeoutMs: 10_000 })));

  it('leaves one row for each call the upstream saw, on PostgreSQL', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const pool = { max: 2, waitMs: 2_000, idleMs: 30_000, statementTimeoutMs: 2_000, mode: 'session' } as const;
    await killed(t, () => ({ kind: 'postgres', url: postgres.url, pool }));
  });
});

describe('a database that is away', () => {
  it('gets every row when it is back, none twice, also those of a hub that was killed meanwhile', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const upstream = await startUpstream(t);
    const dataDir = await temporaryFolder(t);
    const config = configFor(upstream, { url: postgres.url });
    const first = await startHubProcess(t, { dataDir, config });
    await sendAll(first, 0, 20);
    await postgres.kill();
    await sendAll(first, 20, 60);
    await postgres.restart();
    await waitFor(async () => ((await storedRows(postgres.url)) === 60 ? true : null), 30_000, first.output);
    await postgres.kill();
    await sendAll(first, 60, 80);
    // Their settlements go to the journal a fifth of a second later; the dispatches are there already.
    await first.end('SIGKILL');
    await postgres.restart();

    const second = await startHubProcess(t, { dataDir, config });
    await waitFor(async () => ((await storedRows(postgres.url)) === 80 ? true : null), 30_000, second.output);
    assert.equal(await second.end('SIGTERM'), 0, second.output());
    const pool = { max: 2, waitMs: 2_000, idleMs: 30_000, statementTimeoutMs: 2_000, mode: 'session' } as const;
    const rows = await rowsOf({ kind: 'postgres', url: postgres.url, pool });
    assert.equal(rows.length, upstream.received.length);
    assertOneRowACall(upstream, rows);
    assertHonest(rows);
  });
});

async function storedRows(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ count: string }>('select count(*) from usage');
  await client.end();
  return Number(rows[0]?.count);
}
