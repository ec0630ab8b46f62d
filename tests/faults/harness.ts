/** A gateway over real sockets and a virtual clock, with everything it told its surroundings kept for the test to read. */
import type { TestContext } from 'node:test';
import { newId } from '#core/ids';
import { seededRandom } from '#core/random';
import type { ChatRequest } from '#contract/chat';
import type { ContentRecord } from '#contract/content';
import type { ChatCall, EmbedCall, Gateway, RunCall } from '#contract/gateway';
import type { Ledger, Settlement, UsageDispatch } from '#contract/ledger';
import type { Logger } from '#contract/logger';
import type { Limits } from '#contract/limits';
import type { AttemptRecord, RunRecord } from '#contract/runs';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { BreakerRegistry } from '#resilience/registry';
import type { BreakerOptions } from '#resilience/index';
import type { Guardrails } from '#gateway/guardrail';
import type { RetryBudget } from '#gateway/protection';
import { createCache } from '#cache/index';
import { createGateway } from '#gateway/gateway';
import { Prices } from '#gateway/prices';
import { RunningRuns } from '#gateway/runs';
import { GATEWAY_DEFAULTS } from '#gateway/settings';
import type { GatewaySettings, Routes } from '#gateway/settings';
import { ANSWERS } from '#hub/cache';
import { createProvider } from '#providers/index';
import { unobserved } from '../helpers/unobserved.ts';
import { startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

export interface Bench {
  readonly gateway: Gateway;
  readonly clock: VirtualClock;
  readonly breakers: BreakerRegistry;
  readonly running: RunningRuns;
  readonly runs: RunRecord[];
  /** What was said, of routes that keep it. */
  readonly contents: ContentRecord[];
  readonly attempts: AttemptRecord[];
  /** What the usage ledger was told, in order. */
  readonly ledger: (UsageDispatch | { readonly of: string; readonly settlement: Settlement })[];
  /** The last run that ended. */
  readonly lastRun: RunRecord;
  /** Why something went otherwise than it should, as the log has it. */
  readonly warned: { readonly event: string; readonly [field: string]: unknown }[];
  call(fields?: Partial<ChatRequest>, controller?: AbortController): ChatCall;
  /** For the vectors of two texts. */
  embedCall(controller?: AbortController): EmbedCall;
}

const unlimitedCalls: Limits = {
  admit: () => null,
  report: () => Promise.resolve({ mode: 'memory', dividedBy: 1, limits: [] }),
  mode: () => ({ mode: 'memory', dividedBy: 1 }),
};

export interface BenchOptions {
  /** Provider names and where they are, or their settings; of the kind `openai-compatible` unless these name another. */
  readonly providers: Readonly<
    Record<string, string | { readonly kind?: string; readonly [setting: string]: unknown }>
  >;
  /** Of these, those whose kind has no embeddings. */
  readonly withoutEmbeddings?: readonly string[];
  /** Without any, the model `m` goes to every provider in turn. */
  readonly routes?: Routes;
  readonly settings?: Partial<GatewaySettings>;
  readonly retryBudget?: RetryBudget;
  readonly guardrails?: Guardrails;
  /** Without any, every call is admitted. */
  readonly limits?: Limits;
  /** Settings of every breaker; the resilience room's own without. */
  readonly breaker?: Partial<BreakerOptions>;
}

const unlimited: RetryBudget = { recordCall: () => undefined, tryRetry: () => true };

const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (event, _fields, cause) => {
    throw new Error(`logged as an error: ${event}`, { cause });
  },
};

export function startBench(t: TestContext, options: BenchOptions): Bench {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const providers = Object.entries(options.providers).map(([name, given]) => {
    const { kind = 'openai-compatible', ...settings } = typeof given === 'string' ? { baseUrl: given } : given;
    return createProvider(kind, { ...settings, apiKey: 'sk-of-the-hub' }, { name, clock, random });
  });
  for (const provider of providers) {
    if (options.withoutEmbeddings?.includes(provider.name)) Object.assign(provider, { embed: undefined });
  }
  t.after(() => Promise.all(providers.map((provider) => provider.close())));
  const runs: RunRecord[] = [];
  const contents: ContentRecord[] = [];
  const attempts: AttemptRecord[] = [];
  const ledger: Bench['ledger'] = [];
  const warned: Bench['warned'] = [];
  const breakers = new BreakerRegistry({ clock, random, defaults: options.breaker ?? {} });
  const running = new RunningRuns();
  const answers = createCache({ ...ANSWERS, clock, random, freeze: true });
  t.after(() => answers.close());
  const gateway = createGateway({
    answers,
    limits: options.limits ?? unlimitedCalls,
    providers,
    routes: options.routes ?? { m: { groups: providers.map(({ name }) => [{ provider: name, model: 'test-model' }]) } },
    settings: { ...GATEWAY_DEFAULTS, ...options.settings },
    breakers,
    retryBudget: options.retryBudget ?? unlimited,
    guardrails: options.guardrails ?? new Map(),
    clock,
    random,
    observer: { ...unobserved, attemptFinished: (attempt) => void attempts.push(attempt) },
    logger: { ...quiet, warn: (event, fields) => void warned.push({ event, ...fields }) },
    running,
    ledger: ledgerInto(ledger),
    prices: new Prices({}),
    runSink: (run) => void runs.push(run),
    contentSink: (content) => void contents.push(content),
  });
  const begin = ({ signal } = new AbortController()): Omit<RunCall, 'request'> => ({
    surface: 'openai',
    caller: { keyId: null, projectId: DEFAULT_PROJECT_ID, scopes: new Set(['chat']) },
    runId: newId('run', clock.wallMs()),
    signal,
    receivedAt: clock.now(),
    traceparent: undefined,
  });
  return {
    gateway,
    clock,
    breakers,
    running,
    runs,
    contents,
    attempts,
    warned,
    ledger,
    get lastRun() {
      const run = runs.at(-1);
      if (run === undefined) throw new Error('no run has ended');
      return run;
    },
    call: (fields = {}, controller) => ({
      ...begin(controller),
      request: { model: 'm', messages: [{ role: 'user', content: 'Are you well?' }], ...fields },
    }),
    embedCall: (controller) => ({ ...begin(controller), request: { model: 'm', input: ['one', 'two'] } }),
  };
}

function ledgerInto(entries: Bench['ledger']): Ledger {
  return {
    dispatched(dispatch) {
      entries.push(dispatch);
      return { recorded: undefined, settled: (settlement) => void entries.push({ of: dispatch.id, settlement }) };
    },
    secure: () => undefined,
  };
}

export type Result =
  | { readonly text: string; readonly error: null }
  | { readonly text: string; readonly error: unknown };

/** What a caller of a plain answer sees. */
export async function plainResult(bench: Bench, call = bench.call()): Promise<Result> {
  try {
    const { body } = await bench.gateway.complete(call);
    return { text: body.choices[0]?.message.content ?? '', error: null };
  } catch (error) {
    return { text: '', error };
  }
}

/** What a caller of a stream sees: the text so far, and how it ended. */
export async function streamResult(bench: Bench, call = bench.call({ stream: true })): Promise<Result> {
  let text = '';
  try {
    const { events } = await bench.gateway.stream(call);
    for await (const data of events) {
      const { choices } = JSON.parse(data);
      text += choices[0]?.delta.content ?? '';
    }
    return { text, error: null };
  } catch (error) {
    return { text, error };
  }
}

/** A gateway over one upstream, whose answers are kept for a minute. */
export interface Cached {
  readonly bench: Bench;
  readonly upstream: Upstream;
}

export async function startCached(t: TestContext, options: Partial<BenchOptions> = {}): Promise<Cached> {
  const upstream = await startUpstream(t);
  const bench = startBench(t, {
    providers: { a: upstream.baseUrl },
    routes: { m: { groups: [[{ provider: 'a', model: 'test-model' }]], cache: { ttlMs: 60_000 } } },
    settings: { retry: { retries: 0, baseMs: 0, maxMs: 0 } },
    ...options,
  });
  return { bench, upstream };
}
