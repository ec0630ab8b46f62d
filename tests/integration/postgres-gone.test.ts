/**
 * The hub on a real PostgreSQL that is killed, hangs and comes back: chat goes on, what needs the database says so in time,
 * and run records written meanwhile are there afterwards.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';

const HANG_BOUND_MS = 15_000;

interface Outage {
  away(): unknown;
  back(): unknown;
}

/** Gives the runs of the outage. */
async function chatSurvives(hub: HubProcess, key: string, { away, back }: Outage): Promise<readonly string[]> {
  assert.equal((await chat(hub, key)).status, 200);
  const talk = `conversations/${await beginConversation(hub, key)}`;

  await away();
  const runs = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const answer = await chat(hub, key);
      assert.equal(answer.status, 200, 'chat goes on without the database');
      return answer.headers.get('x-revoagent-run') ?? '';
    }),
  );
  const needing = ['keys', 'agents', 'conversations', 'conversations?search=there', 'conversations/export', talk];
  for (const [index, status] of (await statusesOf(hub, key, needing)).entries())
    assert.equal(status, 503, `what needs the database says so, and says it in time: ${needing[index]}`);
  const stranger = await fetch(`${hub.url}/v1/models`, {
    headers: bearer(unknownKey(key)),
    signal: AbortSignal.timeout(HANG_BOUND_MS),
  });
  assert.equal(stranger.status, 503, 'a key that could not be looked up is not called wrong');
  assert.equal(
    (await fetch(`${hub.url}/health/ready`)).status,
    200,
    'an instance that can serve stays in the balancer',
  );
  const health = await waitFor(async () => {
    const text = await (await fetch(`${hub.url}/health`, { headers: bearer(key) })).text();
    return /"status":"degraded"/.test(text) ? text : null;
  });
  assert.match(
    health,
    /"name":"database","status":"unhealthy"|"status":"unhealthy"[^}]*"name":"database"|"name":"database"[^}]*"status":"unhealthy"/,
  );

  await back();
  await waitFor(
    async () => ((await fetch(`${hub.url}/api/keys`, { headers: bearer(key) })).status === 200 ? true : null),
    60_000,
    hub.output,
  );
  assert.deepEqual(await statusesOf(hub, key, [talk, 'conversations/export']), [200, 200]);
  for (const run of runs) {
    await waitFor(async () =>
      (await fetch(`${hub.url}/api/runs/${run}`, { headers: bearer(key) })).status === 200 ? true : null,
    );
  }
  return runs;
}

describe('PostgreSQL goes away and comes back', () => {
  it('killed, and then hung: chat goes on, nobody waits for ever, nothing is lost', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const { url } = postgres;
    const hub = await startHubProcess(t, { config: { storage: { url }, server: { shutdownGraceMs: 0 } } });
    const key = await createKey(hub);
    const runs = [
      ...(await chatSurvives(hub, key, { away: () => postgres.kill(), back: () => postgres.restart() })),
      ...(await chatSurvives(hub, key, { away: () => postgres.stop(), back: () => postgres.cont() })),
    ];
    assert.equal(await hub.end('SIGTERM'), 0, hub.output());
    const stored = await storedRuns(url);
    assert.deepEqual(
      runs.filter((run) => !stored.has(run)),
      [],
      'runs of the outages that are not in the database',
    );
  });
});

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

/** A key of the right shape that nobody made: another id, the same secret. */
function unknownKey(key: string): string {
  const [prefix = '', id = '', ...secret] = key.split('_');
  const other = id.startsWith('0') ? '1' : '0';
  return [prefix, other + id.slice(1), ...secret].join('_');
}

async function createKey(hub: HubProcess): Promise<string> {
  const response = await fetch(`${hub.url}/api/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'test', scopes: ['admin', 'chat', 'read'] }),
  });
  const body: unknown = await response.json();
  assert.ok(typeof body === 'object' && body !== null && 'secret' in body && typeof body.secret === 'string');
  return body.secret;
}

function chat(hub: HubProcess, key: string): Promise<Response> {
  return fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...bearer(key) },
    body: JSON.stringify({ model: 'simulator/chat', messages: [{ role: 'user', content: 'Are you there?' }] }),
    signal: AbortSignal.timeout(HANG_BOUND_MS),
  });
}

async function beginConversation(hub: HubProcess, key: string): Promise<string> {
  const headers = { 'content-type': 'application/json', ...bearer(key) };
  const response = await fetch(`${hub.url}/api/conversations`, { method: 'POST', headers, body: '{}' });
  const body: unknown = await response.json();
  assert.ok(typeof body === 'object' && body !== null && 'id' in body && typeof body.id === 'string');
  return body.id;
}

/** All asked at once; each answers in time. */
function statusesOf(hub: HubProcess, key: string, paths: readonly string[]): Promise<number[]> {
  return Promise.all(
    paths.map(async (each) => {
      const init = { headers: bearer(key), signal: AbortSignal.timeout(HANG_BOUND_MS) };
      const response = await fetch(`${hub.url}/api/${each}`, init);
      await response.text();
      return response.status;
    }),
  );
}

/** Asked of the database itself: the hub would answer from what it has not written yet. */
async function storedRuns(url: string): Promise<Set<string>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ id: string }>('select id from runs');
  await client.end();
  return new Set(rows.map(({ id }) => id));
}
