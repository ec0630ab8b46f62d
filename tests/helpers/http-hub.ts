/**
 * A real listening server of the http room over ports that live in memory: what the rooms below would do is said by the test.
 * Everything the ports were told is recorded, so that both sides of a guarantee can be asserted.
 */
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { CallerError } from '#core/errors';
import { newId } from '#core/ids';
import { limits } from '#core/limits';
import type { ContentRecord } from '#contract/content';
import type { BreakerControl, BreakerStatus } from '#contract/breakers';
import type {
  ChatAnswer,
  ChatCall,
  ChatStream,
  EmbedAnswer,
  EmbedCall,
  Gateway,
  RunCall,
  RunReader,
  RunSummary,
  Scope,
} from '#contract/gateway';
import type { UsageTotals } from '#contract/ledger';
import type { RequestFinished } from '#contract/observer';
import type { RunRecord } from '#contract/runs';
import type { SocketObserver } from '#contract/socket-observer';
import type { AuditRecord } from '#contract/stores';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { HttpDeps, HttpServer, HttpSettings } from '#http/server';
import { createIdempotency } from '#gateway/idempotency';
import { createServer } from '#http/server';
import { keysOf } from './http-keys.ts';
import { WEB_SOCKET } from './socket-client.ts';
import { memoryContents } from './memory-contents.ts';
import { unobserved, unobservedSockets } from './unobserved.ts';
import { alone } from './alone.ts';
import { noClaims, nothingKept } from './stores-away.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface Script {
  complete?: (call: ChatCall) => Promise<ChatAnswer>;
  stream?: (call: ChatCall) => Promise<ChatStream>;
  embed?: (call: EmbedCall) => Promise<EmbedAnswer>;
  countTokens?: Gateway['countTokens'];
  health?: 'healthy' | 'unhealthy';
  settings?: Partial<HttpSettings>;
  clock?: Clock;
  runs?: readonly RunRecord[];
  contents?: readonly ContentRecord[];
  usage?: HttpDeps['usage'];
  sockets?: SocketObserver;
  /** No keys at all: keyless mode. */
  keyless?: boolean;
  deps?: Partial<HttpDeps>;
}

export interface HttpHub {
  readonly url: string;
  readonly server: HttpServer;
  readonly calls: RunCall[];
  readonly finished: RequestFinished[];
  readonly audit: AuditRecord[];
  /** Event names and fields that were logged, as text. */
  readonly log: string[];
  /** A valid key for each scope. */
  readonly keys: Readonly<Record<Scope, string>>;
  /** Resolves with the next request's report after those already seen. */
  nextFinished(): Promise<RequestFinished>;
}

/** Not a plain word, so that a test can look for it where it must not be. */
export const SECRET_PROMPT = 'the-prompt-nobody-may-see';

export function summary(runId: string, more: Partial<RunSummary> = {}): RunSummary {
  const base = {
    provider: 'openai',
    model: 'gpt-4o-mini',
    attempts: 1,
    overheadMs: 0.5,
    degraded: false,
    simulated: false,
  };
  return { runId, ...base, ...more };
}

export function completion(text = 'Hello.') {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  };
}

export function vectors() {
  return {
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: [0.25, 0.5] }],
    model: 'text-embedding-3-small',
    usage: { prompt_tokens: 1, total_tokens: 1 },
  };
}

export function chunk(text: string, finishReason: string | null = null): string {
  const delta = text === '' ? {} : { content: text };
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  });
}

/** A stream of these events; `returned` tells whether it was closed. */
export function streamOf(
  runId: string,
  source: AsyncIterable<string> | Iterable<string>,
): ChatStream & { returned: boolean } {
  async function* generate(): AsyncGenerator<string, undefined> {
    try {
      yield* source;
    } finally {
      stream.returned = true;
    }
    return undefined;
  }
  const spent = { promptTokens: 1, completionTokens: 2, costMicroUsd: null };
  const stream = { summary: summary(runId), events: generate(), spent: () => spent, returned: false };
  return stream;
}

export function runRecord(more: Partial<RunRecord> = {}): RunRecord {
  return {
    id: newId('run', 1_767_225_600_000),
    projectId: DEFAULT_PROJECT_ID,
    keyId: null,
    surface: 'openai',
    stream: false,
    requestedModel: 'fast',
    route: 'fast',
    status: 'succeeded',
    errorCode: null,
    provider: 'openai',
    model: 'gpt-4o-mini',
    finishReason: 'stop',
    promptTokens: 1,
    completionTokens: 2,
    startedWallMs: 1_767_225_600_000,
    durationMs: 3,
    overheadMs: 1,
    attempts: [],
    ...more,
  };
}

/** Ends after the test, or when `t` says. */
export async function startHttpHub(
  t: { after(end: () => Promise<void>): void },
  script: Script = {},
): Promise<HttpHub> {
  const calls: RunCall[] = [];
  const finished: RequestFinished[] = [];
  const waiting: ((event: RequestFinished) => void)[] = [];
  const audit: AuditRecord[] = [];
  const log: string[] = [];
  const secrets = { chat: 'rvk_chat', read: 'rvk_read', external: 'rvk_external', admin: 'rvk_admin' };
  const runs: RunReader = {
    get: async (caller, id) => visible(script.runs, caller).find((run) => run.id === id) ?? null,
    list: async (caller, { limit }) => visible(script.runs, caller).slice(0, limit),
  };
  const server = createServer({
    gateway: gatewayOf(script, calls),
    runs,
    contents: memoryContents(runs, script.contents ?? [], audit),
    keys: keysOf(secrets),
    idempotency: createIdempotency({ claims: noClaims, clock: script.clock ?? systemClock, logger: loggerOf(log) }),
    keyless: () => script.keyless === true,
    ...alone,
    usage: script.usage ?? { report: async () => ({ totals: noUsage, groups: [] }) },
    audit: {
      append: async (record) => void audit.push(record),
      list: async () => audit,
      purge: async () => 0,
    },
    external: {
      list: () => [],
      call: () => Promise.reject(new CallerError('not_found', 'There is none of this name.')),
    },
    ...nothingKept,
    limits: { report: async () => ({ mode: 'memory', dividedBy: 1, limits: [] }) },
    breakers: breakersOf(),
    health: healthOf(script.health ?? 'healthy'),
    performance: () => performanceReport,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'revoagent_up 1\n' }),
    observer: {
      ...unobserved,
      requestFinished(event) {
        finished.push(event);
        for (const resolve of waiting.splice(0)) resolve(event);
      },
    },
    sockets: script.sockets ?? unobservedSockets,
    logger: loggerOf(log),
    clock: script.clock ?? systemClock,
    settings: { ...defaultSettings, ...script.settings },
    ...script.deps,
  });
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 });
  t.after(async () => {
    const closing = server.close(0);
    // Where time is the test's, nobody else moves it on.
    if (script.clock instanceof VirtualClock) await script.clock.advance(10_000);
    await closing;
  });
  const nextFinished = (): Promise<RequestFinished> => new Promise((resolve) => waiting.push(resolve));
  return { url, server, calls, finished, audit, log, keys: secrets, nextFinished };
}

const defaultSettings: HttpSettings = {
  bodyBytesMax: 64 * 1024,
  headerBytesMax: limits.headerBytesMax,
  requestReceiveMs: limits.requestReceiveMs,
  requestsInFlightMax: 100,
  loadShedding: { enabled: true, queueMs: 10_000 },
  compressBytesMin: 2_048,
  corsOrigins: [],
  allowedHosts: [],
  webSocket: WEB_SOCKET,
  version: '0.1.0',
  instance: 'hub-1',
};

function gatewayOf(script: Script, calls: RunCall[]): Gateway {
  return {
    async complete(call) {
      calls.push(call);
      if (script.complete !== undefined) return script.complete(call);
      return { summary: summary(call.runId), body: completion(), raw: undefined };
    },
    async stream(call) {
      calls.push(call);
      if (script.stream !== undefined) return script.stream(call);
      return streamOf(call.runId, [chunk('Hel'), chunk('lo.'), chunk('', 'stop')]);
    },
    async embed(call) {
      calls.push(call);
      if (script.embed !== undefined) return script.embed(call);
      return { summary: summary(call.runId), body: vectors(), raw: undefined };
    },
    async countTokens(call) {
      calls.push(call);
      if (script.countTokens !== undefined) return script.countTokens(call);
      return { tokens: 9, estimated: true, provider: null, model: null };
    },
    models: async () => [
      { id: 'fast', object: 'model', created: 1, owned_by: 'revoagent' },
      { id: 'openai/gpt-4o-mini', object: 'model', created: 1, owned_by: 'openai' },
    ],
    deployments: () => [
      {
        id: 'openai/gpt-4o-mini',
        provider: 'openai',
        kind: 'openai-compatible',
        model: 'gpt-4o-mini',
        breaker: 'provider:openai/gpt-4o-mini',
        lastSuccessWallMs: 1_767_225_600_000,
        lastFailureWallMs: null,
        lastFailure: null,
      },
    ],
  };
}

export const noUsage: UsageTotals = {
  requests: 0,
  attempts: 0,
  succeeded: 0,
  interrupted: 0,
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  unknownTokens: 0,
  costMicroUsd: 0,
  unknownCost: 0,
};

function visible(runs: readonly RunRecord[] = [], caller: ChatCall['caller']): readonly RunRecord[] {
  return runs.filter(
    (run) => run.projectId === caller.projectId && (caller.scopes.has('admin') || run.keyId === caller.keyId),
  );
}

function breakersOf(): BreakerControl {
  const base: BreakerStatus = {
    key: 'provider:openai/gpt-4o-mini',
    state: 'closed',
    suspect: false,
    failuresInWindow: 0,
    callsInWindow: 4,
    inFlight: 0,
    retryAfterMs: null,
    stateAgeMs: 1000,
    trips: 0,
    rejected: 0,
    lateResults: 0,
    forced: null,
  };
  let current = base;
  const change = (key: string, more: Partial<BreakerStatus>): BreakerStatus | null => {
    if (key !== base.key) return null;
    current = { ...base, ...more };
    return current;
  };
  return {
    list: () => [current],
    get: (key) => (key === base.key ? current : null),
    forceOpen: (key, { by, reason, forMs }) =>
      change(key, { state: 'forced_open', forced: { by, reason, remainingMs: forMs ?? null } }),
    forceClose: (key, { by, reason }) => change(key, { state: 'disabled', forced: { by, reason, remainingMs: null } }),
    reset: (key) => change(key, {}),
  };
}

function healthOf(status: 'healthy' | 'unhealthy'): HttpDeps['health'] {
  let draining = false;
  return {
    live: () => ({ status: 'healthy', uptimeSeconds: 1 }),
    ready: async () => ({ ready: !draining, reason: draining ? 'draining' : '' }),
    report: async () => ({
      status,
      version: '0.1.0',
      instance: 'test',
      uptimeSeconds: 1,
      checks: [
        {
          name: 'database',
          status,
          detail: 'The database answers.',
          data: { tookMs: 1 },
          tookMs: 1,
          since: '2026-01-01T00:00:00.000Z',
          runbook: 'database',
        },
      ],
    }),
    history: () => [
      { name: 'database', from: null, to: status, detail: 'The database answers.', at: '2026-01-01T00:00:00.000Z' },
    ],
    drain: () => void (draining = true),
    get draining() {
      return draining;
    },
  };
}

const performanceReport: ReturnType<HttpDeps['performance']> = {
  instance: 'test',
  uptimeSeconds: 4210,
  window: {
    seconds: 60,
    requests: 120,
    requestsPerSecond: 2,
    errorRate: 0.01,
    hubTime: { p50Ms: 0.4, p95Ms: 1.1, p99Ms: 2.6 },
    totalTime: { p50Ms: 640, p95Ms: 2100, p99Ms: 4800 },
  },
  totals: { requests: 7100, errors: 29, attempts: 7130 },
  inFlight: 3,
  eventLoop: { delayP99Ms: 3.1, utilisation: 0.21 },
  memory: { rssBytes: 187_000_000, heapUsedBytes: 64_000_000, heapLimitBytes: 2_200_000_000 },
};

function loggerOf(log: string[]): HttpDeps['logger'] {
  const write =
    (level: string) =>
    (event: string, fields: object = {}): void =>
      void log.push(`${level} ${event} ${JSON.stringify(fields)}`);
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
