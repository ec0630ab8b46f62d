/**
 * One circuit, seen from every side of a started hub: it opens after 5 failures, spares the upstream, closes by itself; the API,
 * `/health` and `/metrics` say the same at each step. And what the hub writes on the way holds no key and no prompt.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startHubHere } from '../helpers/hub-here.ts';
import type { HubHere } from '../helpers/hub-here.ts';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, refuses, startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

const KEY = 'provider:test/m';
const PROMPT = 'canary-prompt-7731';
const SECRET = 'sk-canary-secret-9942';
const OPEN_MS = 1_500;

type Asked = Pick<HubProcess, 'url'>;

interface Views {
  readonly api: unknown;
  /** Of the deployment that it guards. */
  readonly models: unknown;
  readonly health: unknown;
  readonly metrics: { readonly closed: number; readonly open: number };
}

function configOf(upstream: Upstream) {
  const providers = { test: { kind: 'openai-compatible', baseUrl: upstream.baseUrl, apiKey: SECRET } };
  return { providers, resilience: { breaker: { openMs: OPEN_MS }, retry: { retries: 0 } } };
}

function chat(hub: Asked, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'test/m', messages: [{ role: 'user', content: PROMPT }] }),
  });
}

async function get(hub: Asked, path: string): Promise<{ text: string; json: () => Record<string, unknown> }> {
  const text = await (await fetch(`${hub.url}${path}`)).text();
  return { text, json: () => JSON.parse(text) };
}

async function post(hub: Asked, path: string, body: unknown): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${hub.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).status;
}

/** What each of them says. Health keeps its results for a second, so it is asked until it has looked again. */
async function views(hub: Asked): Promise<Views> {
  const api = (await get(hub, `/api/circuit-breakers/${encodeURIComponent(KEY)}`)).json()['state'];
  const { deployments } = (await get(hub, '/api/models')).json();
  assert.ok(Array.isArray(deployments));
  const models: unknown = deployments.find(({ circuit }) => circuit === KEY)?.breaker;
  const { text } = await get(hub, '/metrics');
  const count = (state: string): number =>
    Number(new RegExp(`^revoagent_breakers\\{state="${state}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  const { checks } = (await get(hub, '/health')).json();
  assert.ok(Array.isArray(checks));
  const health: unknown = checks.find(({ name }) => name === 'providers')?.status;
  return { api, models, health, metrics: { closed: count('closed'), open: count('open') } };
}

async function untilAllSay(hub: Asked, expected: Views): Promise<void> {
  let seen: Views | undefined;
  await waitFor(
    async () => {
      seen = await views(hub);
      return JSON.stringify(seen) === JSON.stringify(expected) ? true : null;
    },
    10_000,
    () => `expected ${JSON.stringify(expected)}, saw ${JSON.stringify(seen)}`,
  );
}

/** The deployment's, the database's, the memory system's and that of the cache's tier in the database. */
const healthy: Views = { api: 'closed', models: 'closed', health: 'healthy', metrics: { closed: 5, open: 0 } };

describe('a circuit of a started hub', () => {
  const suite = forTheSuite();
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
  });

  async function start(): Promise<{ hub: HubHere; upstream: Upstream }> {
    const upstream = await startUpstream(suite);
    const storage = { url: await postgres.createDatabase() };
    return { hub: await startHubHere(suite, { config: { ...configOf(upstream), storage } }), upstream };
  }

  it('opens after 5 failures, spares the upstream, closes by itself, and is the same in every view', async () => {
    const { hub, upstream } = await start();
    assert.equal((await chat(hub)).status, 200);
    await untilAllSay(hub, healthy);
    upstream.otherwise = refuses(500);
    for (let call = 0; call < 5; call++) assert.equal((await chat(hub)).status, 502);
    const requests = upstream.received.length;
    assert.equal(requests, 6);
    for (let call = 0; call < 10; call++) {
      const refused = await chat(hub);
      assert.equal(refused.status, 503);
      assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    }
    await untilAllSay(hub, { api: 'open', models: 'open', health: 'unhealthy', metrics: { closed: 4, open: 1 } });
    assert.equal((await fetch(`${hub.url}/health/ready`)).status, 200, 'a provider away pulls no instance');
    assert.equal(upstream.received.length, requests, 'an open circuit costs the upstream nothing');
    upstream.otherwise = answers();
    await waitFor(async () => ((await chat(hub)).status === 200 ? true : null));
    await chat(hub);
    await untilAllSay(hub, healthy);
    assert.match((await get(hub, '/metrics')).text, /^revoagent_breaker_trips_total 1$/m);
  });

  it('obeys an operator, and the audit says who, what and why', async () => {
    const { hub, upstream } = await start();
    await chat(hub);
    const path = `/api/circuit-breakers/${encodeURIComponent(KEY)}`;
    assert.equal(await post(hub, `${path}/force-open`, { reason: 'incident 4711' }), 200);
    const earlier = upstream.received.length;
    assert.equal((await chat(hub)).status, 503);
    assert.equal(upstream.received.length, earlier);
    assert.equal(await post(hub, `${path}/close`, { reason: 'the rule is wrong' }), 200);
    upstream.otherwise = refuses(500);
    for (let call = 0; call < 8; call++) assert.equal((await chat(hub)).status, 502);
    assert.equal(await post(hub, `${path}/reset`, { reason: 'all is well' }), 200);
    assert.equal((await get(hub, path)).json()['state'], 'closed');
    const { data } = (await get(hub, '/api/audit')).json();
    assert.ok(Array.isArray(data));
    assert.partialDeepStrictEqual(data, [
      { action: 'breaker-reset', subject: KEY, actor: 'local', detail: { reason: 'all is well' } },
      { subject: KEY, detail: { reason: 'the rule is wrong' } },
      { action: 'breaker-forced-open', subject: KEY, detail: { reason: 'incident 4711' } },
    ]);
  });
});

describe('what a hub tells on the way', () => {
  it('carries the trace through, names request and run in the log, and holds no key and no prompt', async (t) => {
    const upstream = await startUpstream(t);
    // In a process of its own, for all that it writes is looked at, whoever writes it.
    const hub = await startHubProcess(t, { config: configOf(upstream) });
    const made = await fetch(`${hub.url}/api/keys`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'canary', scopes: ['chat', 'read', 'admin'] }),
    });
    const { secret }: { secret: string } = JSON.parse(await made.text());
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { authorization: `Bearer ${secret}`, traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    const answer = await chat(hub, headers);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('traceparent') ?? '', new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    assert.match(String(upstream.received[0]?.headers['traceparent']), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    upstream.script(refuses(500, { message: `${PROMPT} ${SECRET}` }), refuses(400, { message: `bad key ${SECRET}` }));
    const told = [await (await chat(hub, headers)).text(), await (await chat(hub, headers)).text()];
    const run = answer.headers.get('x-revoagent-run') ?? assert.fail('no run');
    const request = answer.headers.get('x-request-id') ?? assert.fail('no request id');
    await waitFor(() => (hub.output().includes(run) && hub.output().includes(request) ? true : null));
    for (const path of ['/metrics', '/health', `/api/runs/${run}`, '/api/runs', '/api/audit', '/api/keys']) {
      const response = await fetch(`${hub.url}${path}`, { headers });
      assert.equal(response.status, 200, path);
      told.push(await response.text());
    }
    const all = [...told, hub.output()].join('\n');
    for (const canary of [SECRET, secret]) assert.ok(!all.includes(canary), `${canary.slice(0, 6)}… was told`);
    assert.ok(!hub.output().includes(PROMPT), 'the log holds a prompt');
    assert.ok(!told.slice(2).join('').includes(PROMPT), 'a page of operations holds a prompt');
  });
});
