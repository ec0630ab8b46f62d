/** One real hub with a real PostgreSQL and two real Redises behind proxies, and every operation of the table as a caller makes it. */
import assert from 'node:assert/strict';
import pg from 'pg';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { startRedis } from '../helpers/redis.ts';
import type { Cleanup } from '../helpers/suite.ts';
import { startUpstream } from '../helpers/upstream.ts';
import { breakablePostgres, breakableRedis } from './faults.ts';
import type { Breakable } from './faults.ts';
import { startProxy } from './proxy.ts';
import type { Dependency } from './table.ts';

const PATIENCE_MS = 60_000;

export interface Answered {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  readonly tookMs: number;
}

export interface MatrixBench {
  readonly hub: HubProcess;
  readonly dependencies: Readonly<Record<Dependency, Breakable>>;
  chat(model?: string, more?: Record<string, unknown>, headers?: Record<string, string>): Promise<Answered>;
  cached(prompt: string): Promise<Answered>;
  agentTurn(): Promise<Answered>;
  get(path: string, headers?: Record<string, string>): Promise<Answered>;
  /** With a key of the right shape that nobody made. */
  stranger(): Promise<Answered>;
  /** Asked of the database itself. */
  hasRow(run: string): Promise<boolean>;
}

export async function startMatrixBench(t: Cleanup): Promise<MatrixBench> {
  const [postgres, cache, state, upstream] = await Promise.all([
    startPostgres(),
    startRedis(),
    startRedis(),
    startUpstream(t),
  ]);
  t.after(() => Promise.all([postgres.close(), cache.close(), state.close()]));
  const database = await postgres.createDatabase();
  const [atPostgres, atCache, atState] = await Promise.all(
    [database, cache.url, state.url].map((url) => startProxy(t, Number(new URL(url).port))),
  );
  assert.ok(atPostgres !== undefined && atCache !== undefined && atState !== undefined);
  const through = (url: string, { port }: { port: number }): string => url.replace(/:\d+(?=\/|$)/, `:${port}`);
  const deployment = { provider: 'up', model: 'm' };
  const hub = await startHubProcess(t, {
    config: {
      server: { shutdownGraceMs: 0 },
      storage: { url: through(database, atPostgres) },
      redis: { cacheUrl: through(cache.url, atCache), stateUrl: through(state.url, atState) },
      providers: { up: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } },
      routes: { plain: { groups: [[deployment]] }, limited: { groups: [[deployment]] } },
      limits: { routes: { named: { limited: { requestsPerMinute: 1 } } } },
    },
  });
  const calls = callsOf(hub, await createKey(hub));
  const id = await calls.createAgent();
  return {
    ...calls,
    hub,
    agentTurn: () => calls.ask('POST', `/api/agents/${id}/chat`, { prompt: 'Are you there?' }),
    dependencies: {
      'redis-cache': breakableRedis(cache, atCache),
      'redis-state': breakableRedis(state, atState),
      postgres: breakablePostgres(postgres, atPostgres, new URL(database).pathname.slice(1)),
    },
    hasRow: (run) => hasRow(database, run),
  };
}

function callsOf(hub: HubProcess, key: string) {
  async function ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answered> {
    const startedAt = performance.now();
    const response = await fetch(hub.url + path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, tookMs: performance.now() - startedAt };
  }
  const chat: MatrixBench['chat'] = (model = 'plain', more = {}, headers = {}) =>
    ask(
      'POST',
      '/v1/chat/completions',
      { model, messages: [{ role: 'user', content: 'Are you there?' }], ...more },
      headers,
    );
  const get: MatrixBench['get'] = (path, headers) => ask('GET', path, undefined, headers);
  return {
    ask,
    chat,
    get,
    cached: (prompt: string) =>
      chat('plain', { messages: [{ role: 'user', content: prompt }] }, { 'x-revoagent-cache': 'on' }),
    stranger: () => get('/v1/models', { authorization: `Bearer ${unknownKey(key)}` }),
    async createAgent(): Promise<string> {
      const agent = { name: 'helper', instructions: 'Be of help.', model: 'plain' };
      return String(JSON.parse((await ask('POST', '/api/agents', agent)).text).id);
    },
  };
}

async function createKey(hub: HubProcess): Promise<string> {
  const response = await fetch(`${hub.url}/api/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'matrix', scopes: ['admin', 'chat', 'read'] }),
  });
  const { secret } = JSON.parse(await response.text());
  return String(secret);
}

let strangers = 0;

/** Another one each time: an answer about one may be remembered. */
function unknownKey(key: string): string {
  const [prefix = '', id = '', ...secret] = key.split('_');
  const number = String(strangers++ % 32 ** 2).padStart(4, '0');
  return [prefix, id.slice(0, -4) + number, ...secret].join('_');
}

async function hasRow(url: string, run: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query('select 1 from usage where run_id = $1', [run])).rowCount === 1;
  } finally {
    await client.end();
  }
}

/** Everything is as it was, by itself. */
export function recovered(bench: MatrixBench, withinMs: number): Promise<true> {
  let last = '';
  return waitFor(
    async () => {
      const answers = await Promise.all([
        bench.chat(),
        bench.cached(`again ${performance.now()}`),
        bench.agentTurn(),
        bench.get('/api/keys'),
        bench.get('/api/cache'),
        bench.get('/api/instances'),
        bench.get('/api/limits'),
      ]).catch((error: unknown) => String(error));
      if (typeof answers === 'string') last = answers;
      else {
        const statuses = answers.map(({ status }) => status);
        const [, , , , cache, instances, limits] = answers.map(({ text }) => text);
        last = `${statuses.join(' ')} ${cache} ${instances} ${limits}`;
        const good = statuses.every((status) => status === 200);
        const tiersClosed = !/"state":"(?!closed)/.test(cache ?? '');
        if (good && tiersClosed && /"source":"shared"/.test(instances ?? '') && /"mode":"shared"/.test(limits ?? ''))
          return true;
      }
      return null;
    },
    withinMs,
    () => `not as before after ${withinMs} ms: ${last}`,
  );
}
