/** Calls through a hub whose upstream can tell each from the others, and what the usage ledger must have of them. */
import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { StorageTarget } from '#storage/index';
import type { HubProcess } from './hub-process.ts';
import { openTestStorage } from './storage.ts';
import type { Upstream } from './upstream.ts';

export const CALLERS = 16;

export interface Row {
  readonly id: string;
  readonly state: string;
  readonly outcome: string;
  readonly kind: string;
  readonly requested_model: string;
  readonly prompt_tokens: number | null;
  readonly estimated_prompt_tokens: number;
  readonly cost_micro_usd: number | null;
}

export function configFor({ baseUrl }: Upstream, storage: Record<string, unknown>): Record<string, unknown> {
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
export async function sendAll(hub: HubProcess, from: number, to: number): Promise<void> {
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
 * was killed: dispatched, never seen, and so never settled. `lost`: models of which nobody can know any more.
 */
export function assertOneRowACall(
  upstream: Upstream,
  rows: readonly Row[],
  lost: ReadonlySet<string> = new Set(),
): void {
  const seen = countBy(upstream.received.map(({ body }) => String(body['model'])));
  const kept = countBy(rows.map((row) => row.requested_model));
  const settled = countBy(rows.filter(({ state }) => state === 'settled').map((row) => row.requested_model));
  const times = (counts: ReadonlyMap<string, number>, model: string): number => counts.get(model) ?? 0;
  const missed = [...seen].filter(([model, calls]) => times(kept, model) < calls && !lost.has(model));
  assert.deepEqual(missed, [], 'calls that the upstream saw and the ledger does not have');
  const invented = [...settled].filter(([model, calls]) => times(seen, model) < calls);
  assert.deepEqual(invented, [], 'rows that say more than the upstream saw');
  assert.ok(rows.length - upstream.received.length <= CALLERS, 'no more on their way than there were callers');
}

/** Models whose calls a hub wrote to the journal on its disk, as it does where Redis does not answer within a tenth of a second. */
export async function modelsOnDisk({ dataDir }: HubProcess): Promise<Set<string>> {
  const models = new Set<string>();
  for await (const file of glob(path.join(dataDir, '**/ledger/*/*.log')))
    for (const line of (await readFile(file, 'utf8')).split('\n')) {
      const [, model] = /"requestedModel":"([^"]+)"/.exec(line) ?? [];
      if (model !== undefined) models.add(model);
    }
  return models;
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

export function assertHonest(rows: readonly Row[]): void {
  for (const row of rows) {
    if (row.state === 'interrupted') {
      assert.deepEqual([row.outcome, row.prompt_tokens, row.cost_micro_usd], ['running', null, null]);
      assert.equal(row.estimated_prompt_tokens, 4, '13 characters');
    } else if (row.outcome === 'succeeded') assert.deepEqual([row.prompt_tokens, row.cost_micro_usd], [7, 10]);
    else assert.deepEqual([row.outcome, row.prompt_tokens, row.cost_micro_usd], ['status', null, null]);
  }
}

export async function rowsOf(storage: StorageTarget): Promise<Row[]> {
  const opened = await openTestStorage(storage);
  const rows = await opened.storage.db.selectFrom('usage').selectAll().execute();
  await opened.storage.close();
  return rows;
}
