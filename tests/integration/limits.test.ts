/** Limits of a started hub, seen from outside: on every surface in its own form, on what is cached and streamed, kept over a restart. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { startUpstream } from '../helpers/upstream.ts';

type Json = Record<string, unknown>;
type Limits = Readonly<Record<string, number>>;

/** What is at a dotted path of an answer. */
function at(value: unknown, path: string): unknown {
  let found = value;
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = Object.entries(found).find(([key]) => key === name)?.[1];
  }
  return found;
}

function listAt(value: unknown, path: string): Json[] {
  const list = at(value, path);
  assert.ok(Array.isArray(list), JSON.stringify(value));
  return list as Json[];
}

const pick = (value: unknown, ...paths: string[]): unknown[] => paths.map((path) => at(value, path));

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const messages = [{ role: 'user', content: 'hi' }];
const one: Limits = { requestsPerMinute: 1 };

class Lab {
  hub: HubProcess;
  #admin = '';

  constructor(hub: HubProcess) {
    this.hub = hub;
  }

  async ask(method: string, path: string, body?: unknown, key = this.#admin): Promise<Answer> {
    const response = await fetch(this.hub.url + path, {
      method,
      headers: {
        ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text,
    };
  }

  async key(limits: Limits, scopes = ['chat', 'external']): Promise<{ id: string; secret: string }> {
    const made = await this.ask('POST', '/api/keys', { name: 'k', scopes, limits });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const [id, secret] = pick(made.body, 'key.id', 'secret').map(String) as [string, string];
    if (this.#admin === '') this.#admin = secret;
    return { id, secret };
  }

  async left(secret: string): Promise<Json[]> {
    return listAt((await this.ask('GET', '/api/limits', undefined, secret)).body, 'limits');
  }
}

const chat = (model = 'chat', more: Json = {}): Json => ({ model, messages, ...more });

describe('limits', () => {
  it('hold on every surface, and are told in its own form', async (t) => {
    const target = await startUpstream(t);
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const providers = { simulator: { kind: 'simulator' }, slow: { kind: 'simulator', tokensPerSecond: 1 } };
    const to = (provider: string, more: Json = {}): Json => ({ groups: [[{ provider, model: 'chat' }]], ...more });
    const config = {
      server: { shutdownGraceMs: 0 },
      storage: { url: postgres.url },
      providers,
      routes: {
        chat: to('simulator'),
        kept: to('simulator', { cache: {} }),
        slow: to('slow'),
        scarce: to('simulator'),
      },
      external: { shop: { baseUrl: target.baseUrl } },
      prices: { 'simulator/*': { inputUsd: 1_000, outputUsd: 1_000 } },
      limits: { routes: { named: { scarce: one } } },
    };
    const lab = new Lab(await startHubProcess(t, { config }));
    await lab.key({}, ['admin', 'chat']);
    await surfaces(lab);
    await streams(lab);
    await tokens(lab);
    await stored(lab);
    await reloaded(lab, config);
    await restarted(t, lab, config);
  });
});

async function surfaces(lab: Lab): Promise<void> {
  const agent = await lab.ask('POST', '/api/agents', { name: 'helper', instructions: 'Help.', model: 'chat' });
  assert.equal(agent.status, 201, JSON.stringify(agent.body));
  const agentChat = `/api/agents/${String(at(agent.body, 'id') ?? at(agent.body, 'agent.id'))}/chat`;
  const calls: readonly [method: string, path: string, body: Json | undefined, told: string[], form: unknown[]][] = [
    ['POST', '/v1/chat/completions', chat(), ['error.type', 'error.code'], ['rate_limit_error', 'rate_limit_exceeded']],
    ['POST', '/v1/messages', chat('chat', { max_tokens: 9 }), ['type', 'error.type'], ['error', 'rate_limit_error']],
    ['POST', '/v1/responses', { model: 'chat', input: 'a' }, ['error.code'], ['rate_limit_exceeded']],
    ['POST', '/v1/embeddings', { model: 'chat', input: 'a' }, ['error.code'], ['rate_limit_exceeded']],
    [
      'POST',
      '/api/chat',
      { prompt: 'hi', model: 'chat' },
      ['code', 'limit.scope', 'limit.kind'],
      ['rate_limited', 'key', 'requests'],
    ],
    ['POST', agentChat, { prompt: 'hi' }, ['code', 'limit.max', 'limit.remaining'], ['rate_limited', 1, 0]],
    ['GET', '/api/external/shop/models', undefined, ['code'], ['rate_limited']],
  ];
  for (const [method, path, body, told, form] of calls) {
    const { secret, id } = await lab.key(one);
    const first = await lab.ask(method, path, body, secret);
    assert.equal(first.status, 200, `${path}: ${JSON.stringify(first.body)}`);
    assert.match(first.headers.get('ratelimit-policy') ?? '', /^"key-requests-minute";q=1;w=60;qu="requests"$/, path);
    assert.match(first.headers.get('ratelimit') ?? '', /^"key-requests-minute";r=0;t=60$/, path);
    const second = await lab.ask(method, path, body, secret);
    assert.equal(second.status, 429, path);
    assert.deepEqual(pick(second.body, ...told), form, JSON.stringify(second.body));
    const waitS = Number(second.headers.get('retry-after'));
    assert.ok(waitS > 0 && waitS <= 60, `${path}: Retry-After ${waitS}`);
    assert.match(JSON.stringify(second.body), new RegExp(`The key \\\\"${id}\\\\" may have 1 requests a minute`));
    assert.equal(second.headers.get('x-revoagent-run'), null, 'what was refused is no run');
    const openai = path.startsWith('/v1/') && path !== '/v1/messages';
    assert.equal(second.headers.get('x-ratelimit-remaining-requests'), openai ? '0' : null, path);
    assert.equal(second.headers.get('anthropic-ratelimit-requests-limit'), path === '/v1/messages' ? '1' : null);
  }
  const { secret } = await lab.key(one);
  const client = new WebSocket(`${lab.hub.url.replace('http', 'ws')}/ws/chat`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  const heard: Json[] = [];
  client.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString())));
  await once(client, 'open');
  for (const id of ['a', 'b'])
    client.send(JSON.stringify({ type: 'chat', id, request: { model: 'chat', prompt: 'hi' } }));
  const error = await waitFor(() => heard.find(({ type }) => type === 'error'));
  assert.deepEqual(pick(error, 'error.code', 'error.limit.kind', 'error.retryable'), [
    'rate_limited',
    'requests',
    true,
  ]);
  client.close();
  const { secret: any } = await lab.key({});
  assert.equal((await lab.ask('POST', '/v1/chat/completions', chat('scarce'), any)).status, 200);
  const refused = await lab.ask('POST', '/v1/chat/completions', chat('scarce'), any);
  assert.match(String(at(refused.body, 'error.message')), /^The route "scarce" may have 1 requests a minute/);
}

/** A stream holds its place to its end, whether it is read or left. */
async function streams(lab: Lab): Promise<void> {
  const { secret } = await lab.key({ concurrent: 1 });
  const open = (signal: AbortSignal): Promise<Response> =>
    fetch(`${lab.hub.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(chat('slow', { stream: true })),
      signal,
    });
  const leaving = new AbortController();
  const first = await open(leaving.signal);
  assert.equal(first.status, 200);
  const second = await open(new AbortController().signal);
  assert.equal(second.status, 429);
  assert.match(await second.text(), /calls at the same time/);
  leaving.abort();
  await first.text().catch(() => undefined);
  await waitFor(async () => ((await lab.left(secret))[0]?.['used'] === 0 ? true : null));
  assert.equal((await lab.ask('POST', '/v1/chat/completions', chat(), secret)).status, 200);
  assert.equal((await lab.left(secret))[0]?.['used'], 0);
}

async function tokens(lab: Lab): Promise<void> {
  const { secret } = await lab.key({ requestsPerMinute: 100, tokensPerMinute: 400, usdPerDay: 50 });
  const large = await lab.ask('POST', '/v1/chat/completions', chat('chat', { max_tokens: 1_000 }), secret);
  assert.equal(large.status, 429);
  assert.match(String(at(large.body, 'error.message')), /this call alone asks for up to 10\d\d\. Ask for less/);
  assert.equal(large.headers.get('retry-after'), null);
  const ask = () => lab.ask('POST', '/v1/chat/completions', chat('kept', { max_tokens: 300 }), secret);
  const first = await ask();
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const used = Number(at(first.body, 'usage.total_tokens'));
  const [, ofTokens, ofMoney] = await lab.left(secret);
  assert.equal(ofTokens?.['used'], used, 'what was reserved and not used is given back');
  assert.ok(Math.abs(Number(ofMoney?.['used']) - used / 1_000) < 0.01, JSON.stringify(ofMoney));
  const again = await ask();
  assert.equal(again.headers.get('x-revoagent-cache'), 'hit');
  const after = await lab.left(secret);
  assert.deepEqual(
    after.map((limit) => limit['used']),
    [2, used, ofMoney?.['used']],
    'a kept answer is a request, and no tokens and no money',
  );
}

async function stored(lab: Lab): Promise<void> {
  const { id, secret } = await lab.key({});
  assert.deepEqual(await lab.left(secret), []);
  const set = await lab.ask('PUT', `/api/keys/${id}/limits`, { requestsPerMinute: 5 });
  assert.equal(set.status, 200, JSON.stringify(set.body));
  assert.deepEqual(
    (await lab.left(secret)).map((limit) => pick(limit, 'max', 'used')),
    [[5, 0]],
  );
  await lab.ask('PUT', '/api/limits', { usdPerMonth: 7.5 });
  const shown = await lab.ask('GET', `/api/limits?key=${id}`);
  assert.deepEqual(at(shown.body, 'stored'), { key: { requestsPerMinute: 5 }, project: { usdPerMonth: 7.5 } });
  assert.deepEqual(
    listAt(shown.body, 'limits').map((limit) => pick(limit, 'scope', 'kind', 'max')),
    [
      ['project', 'usd', 7.5],
      ['key', 'requests', 5],
    ],
  );
  await lab.ask('PUT', '/api/limits', {});
  assert.equal((await lab.ask('GET', `/api/limits?key=${id}`, undefined, secret)).status, 200, 'its own');
  const { secret: other } = await lab.key({});
  assert.equal((await lab.ask('GET', `/api/limits?key=${id}`, undefined, other)).status, 403);
  const wrong = await lab.ask('PUT', `/api/keys/${id}/limits`, { requestPerMinute: 5 });
  assert.equal(wrong.status, 400);
  assert.match(JSON.stringify(wrong.body), /requestPerMinute/);
  const metrics = await lab.ask('GET', '/metrics');
  assert.match(
    String(metrics.body),
    /revoagent_limit_decisions_total\{outcome="refused",scope="key",kind="requests"\} \d/,
  );
  assert.match(String(metrics.body), /revoagent_limit_mode\{mode="memory"\} 1/);
  const health = await lab.ask('GET', '/health');
  assert.equal(
    at(
      listAt(health.body, 'checks').find(({ name }) => name === 'limits'),
      'data.mode',
    ),
    'memory',
  );
}

async function reloaded(lab: Lab, config: Json): Promise<void> {
  const { secret } = await lab.key({});
  const written = JSON.parse(JSON.stringify({ ...config, limits: { keys: { default: { concurrent: 3 } } } }));
  Object.assign(written.server, { port: 0 });
  Object.assign(written.storage, { dataDir: `${lab.hub.dataDir}/data` });
  await writeFile(lab.hub.configFile, JSON.stringify(written));
  lab.hub.process.kill('SIGHUP');
  const limit = await waitFor(async () => (await lab.left(secret))[0], 15_000, lab.hub.output);
  assert.deepEqual([limit['scope'], limit['kind'], limit['max']], ['key', 'concurrent', 3]);
}

/** Money that was spent is spent, in a process that remembers nothing. */
async function restarted(t: Parameters<typeof startHubProcess>[0], lab: Lab, config: Json): Promise<void> {
  const { secret } = await lab.key({ usdPerWeek: 40 });
  assert.equal((await lab.ask('POST', '/v1/chat/completions', chat(), secret)).status, 200);
  const money = async (): Promise<unknown> => (await lab.left(secret)).find(({ kind }) => kind === 'usd')?.['used'];
  const spent = await money();
  assert.ok(typeof spent === 'number' && spent > 0);
  await lab.hub.end('SIGTERM');
  lab.hub = await startHubProcess(t, { config, dataDir: lab.hub.dataDir });
  assert.equal(await money(), spent);
}
