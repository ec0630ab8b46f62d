/** A started hub with agents: its model is a scripted upstream, their tools are calls of a scripted target. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startHubProcess } from './hub-process.ts';
import type { HubProcess } from './hub-process.ts';
import type { Cleanup } from './suite.ts';
import { chunk, event, flushed, startUpstream } from './upstream.ts';
import type { Behaviour, Upstream } from './upstream.ts';

type Json = Record<string, unknown>;

interface Sections {
  readonly [section: string]: unknown;
  readonly providers?: Json;
}

export interface AgentHub {
  readonly hub: HubProcess;
  readonly url: string;
  readonly upstream: Upstream;
  /** Paths that tools asked for, and which of these calls were given up. */
  readonly toolCalls: { readonly path: string; aborted: boolean }[];
  /** What a tool's call meets. */
  tool: (response: ServerResponse) => void;
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json; text: string }>;
  /** Creates an agent; gives its id. */
  create(more?: Json): Promise<string>;
  /** The same hub's data, in a new process. */
  again(): Promise<AgentHub>;
}

export const weatherTool = {
  kind: 'external',
  name: 'weather',
  description: 'The weather of a city.',
  api: 'meteo',
  method: 'GET',
  path: '/v1/{city}',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

/** `more`: sections of the configuration, and further providers. */
export async function startAgentHub(t: Cleanup, storage: Json = {}, more: Sections = {}): Promise<AgentHub> {
  const upstream = await startUpstream(t);
  const state: Pick<AgentHub, 'tool' | 'toolCalls'> = {
    tool: (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"sky":"clear"}'),
    toolCalls: [],
  };
  const target = createServer(({ url: path = '' }, response) => {
    const call = { path, aborted: false };
    state.toolCalls.push(call);
    response.on('close', () => (call.aborted = !response.writableFinished));
    state.tool(response);
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    target.closeAllConnections();
    target.close();
  });
  const { port } = target.address() as AddressInfo;
  const config = {
    ...more,
    storage,
    server: { shutdownGraceMs: 0 },
    providers: {
      test: { kind: 'openai-compatible', baseUrl: upstream.baseUrl, apiKey: 'sk-of-the-hub' },
      ...more.providers,
    },
    prices: { 'test/*': { inputUsd: 1, outputUsd: 2 } },
    resilience: { retry: { retries: 0 } },
    external: { meteo: { baseUrl: `http://127.0.0.1:${port}`, methods: ['GET'], paths: ['/v1/*'] } },
  };
  const start = async (dataDir?: string): Promise<AgentHub> => {
    const hub = await startHubProcess(t, { config, ...(dataDir === undefined ? {} : { dataDir }) });
    return Object.assign(state, { hub, url: hub.url, upstream, ...callsOf(hub.url), again: () => start(hub.dataDir) });
  };
  return start();
}

function callsOf(url: string): Pick<AgentHub, 'ask' | 'create'> {
  const ask: AgentHub['ask'] = async (method, path, body) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(url + path, { method, headers: { 'content-type': 'application/json' }, ...init });
    const text = await response.text();
    return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : {} };
  };
  const create = async (more: Json = {}): Promise<string> => {
    const agent = { name: 'helper', instructions: 'Be of help.', model: 'test/test-model', ...more };
    const { status, body, text } = await ask('POST', '/api/agents', agent);
    assert.equal(status, 201, text);
    return String(body['id']);
  };
  return { ask, create };
}

/** A model that calls the weather tool; the usage is that of every scripted answer. */
export function callsWeather(city = 'Berlin', spoken = ''): Behaviour {
  return callsTool('weather', { city }, spoken);
}

export function callsTool(name: string, given: Json, spoken = ''): Behaviour {
  return async (exchange) => {
    const { response } = exchange;
    const made = { index: 0, id: 'call_1', type: 'function' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    await flushed(response, chunk(exchange, { role: 'assistant', content: spoken }));
    const called = { ...made, function: { name, arguments: JSON.stringify(given) } };
    await flushed(response, chunk(exchange, { tool_calls: [called] }));
    await flushed(response, chunk(exchange, {}, 'tool_calls'));
    const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
    await flushed(
      response,
      event({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage }),
    );
    response.end('data: [DONE]\n\n');
  };
}
