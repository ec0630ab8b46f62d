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
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { openTestStorage } from '../helpers/storage.ts';
import { answers, refuses, startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

const REQUESTS = 500;
const CALLERS = 16;
const KILL_AT = 250;

interface Row {
  readonly id: string;
  readonly state: string;
  readonly outcome: string;
  readonly kind: string;
  readonly requested_model: string;
  readonly prompt_tokens: number | null;
  readonly estimated_prompt_tokens: number;
  readonly cost_micro_usd: number | null;
}

function configFor({ baseUrl }: Upstream, storage: Record<string, unknown>): Record<string, unknown> {
  const provider = { kind: 'openai-compatible', baseUrl };
  return {
    server: { shutdownGraceMs: 0 },
    storage,
    providers: { one: provider, two: provider },
    // The request's number is its model's name, so that each call can be told from the others.
    routes: { '*': { groups: [[{ provider: 'one' }], [{ provider: 'two' }]] } },
    prices: { '*': { inputUsd: 1, outputUsd: 1 } },
  };
}

/** Sends them all from a few callers, until one fails for good. */
async function sendAll(hub: HubProcess, from: number, to: number): Promise<void> {
  let next = from;
  const callers = Array.from({ length: CALLERS }, async () => {
    for (let number = next++; number < to; number = next++) {
      const answered = await chat(hub, number).catch(() => null);
      if (answered === null) return;
    }
  });
  await Promise.all(callers);
}

async function chat(hub: HubProcess, number: number): Promise<number> {
  const response = await fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: `m${number}`, messages: [{ role: 'user', content: 'Are you well?' }] }),
  });
  await response.arrayBuffer();
  return response.status;
}

/**
 * Each call that the upstream saw has a row of its own, told by the model's name. What has none but a row was on its way when the hub
 * was killed: dispatched, never seen, and so never settled.
 */
function assertOneRowACall(upstream: Upstream, rows: readonly Row[]): void {
  const seen = countBy(upstream.received.map(({ body }) => String(body['model'])));
  const kept = countBy(rows.map((row) => row.requested_model));
  const settled = countBy(rows.filter(({ state }) => state === 'settled').map((row) => row.requested_model));
  const times = (counts: ReadonlyMap<string, number>, model: string): number => counts.get(model) ?? 0;
  const missed = [...seen].filter(([model, calls]) => times(kept, model) < calls);
  assert.deepEqual(missed, [], 'calls that the upstream saw and the ledger does not have');
  const invented = [...settled].filter(([model, calls]) => times(seen, model) < calls);
  assert.deepEqual(invented, [], 'rows that say more than the upstream saw');
  assert.ok(rows.length - upstream.received.length <= CALLERS, 'no more on their way than there were callers');
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function assertHonest(rows: readonly Row[]): void {
  for (const row of rows) {
    if (row.state === 'interrupted') {
      assert.deepEqual([row.outcome, row.prompt_tokens, row.cost_micro_usd], ['running', null, null]);
      assert.equal(row.estimated_prompt_tokens, 4, '13 characters');
    } else if (row.outcome === 'succeeded') assert.deepEqual([row.prompt_tokens, row.cost_micro_usd], [7, 10]);
    else assert.deepEqual([row.outcome, row.prompt_tokens, row.cost_micro_usd], ['status', null, null]);
  }
}

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

async function rowsOf(storage: StorageTarget): Promise<Row[]> {
  const opened = await openTestStorage(storage);
  const rows = await opened.storage.db.selectFrom('usage').selectAll().execute();
  await opened.storage.close();
  return rows;
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
