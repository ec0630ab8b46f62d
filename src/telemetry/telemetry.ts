/**
 * Turns what the rooms report into metrics, an access log and the figures of `/api/performance`. On the path of every request, so
 * label sets are resolved once and kept; what can be read when it is asked for (breakers, pool, memory) is read at the scrape.
 */
import { Registry } from 'prom-client';
import type { Clock } from '#core/clock';
import { limits as bounds } from '#core/limits';
import type { BreakerStateName, BreakerStatus } from '#contract/breakers';
import type { CheckReport } from '#contract/health';
import type { LimitObserver } from '#contract/limit-observer';
import type { LimitModeReport } from '#contract/limits';
import type { LogFields, Logger } from '#contract/logger';
import type { Observer, RequestFinished } from '#contract/observer';
import type { PerformanceReport } from '#contract/performance';
import type { SocketObserver } from '#contract/socket-observer';
import type { MetricKey } from './catalogue.ts';
import { createMetrics, memoised, setCounter } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { createLimitFigures } from './limit-figures.ts';
import { GC_KIND_NAMES, ProcessFigures } from './process-figures.ts';
import type { ProcessReading } from './process-figures.ts';
import { ShedLog } from './shed-log.ts';
import { Traffic } from './traffic.ts';

export interface TelemetryOptions {
  readonly clock: Clock;
  readonly instance: string;
  readonly version: string;
  readonly logger: Logger;
}

/** What is read when somebody asks, not when it changes. */
export interface Sources {
  breakers(): Iterable<BreakerFigures>;
  pool(): { readonly max: number; readonly total: number; readonly idle: number; readonly waiting: number };
  backlog(): number;
  ledger(): { readonly backlog: number; readonly journalBytes: number; readonly reserved: number };
  cache(): CacheFigures;
  keyLookups(): LookupFigures;
  limits(): LimitModeReport;
  checks(): readonly CheckReport[];
  /** `draining`: names of those that are told to end. */
  instances(): { readonly live: number; readonly draining: readonly string[]; readonly degraded: boolean };
  /** Of new work, 0 to 1. */
  admittedShare(): number;
}

/** What a scrape wants of a breaker; there may be ten thousand. */
export type BreakerFigures = Pick<BreakerStatus, 'key' | 'state' | 'trips' | 'rejected' | 'lateResults'>;

/** Counts since the start. */
export interface LookupFigures {
  readonly hits: number;
  readonly misses: number;
  readonly shared: number;
  readonly staleServed: number;
}

/** Of the cache in this process's memory. */
export interface CacheFigures extends LookupFigures {
  readonly entries: number;
  readonly bytes: number;
  readonly evictions: number;
}

export interface Telemetry {
  readonly observer: Observer;
  readonly sockets: SocketObserver;
  readonly limits: LimitObserver;
  metrics(): Promise<{ contentType: string; body: string }>;
  performance(): PerformanceReport;
  /** Tells where the figures are that are read at a scrape. */
  attach(sources: Sources): void;
  close(): void;
}

const STATE_VALUE: Readonly<Record<BreakerStateName, number>> = {
  closed: 0,
  open: 1,
  half_open: 2,
  forced_open: 3,
  disabled: 4,
};
const CLOCK_STEP_MS = 1_000;
const HEALTH_VALUE = { healthy: 0, degraded: 1, unhealthy: 2 } as const;

export function createTelemetry({ clock, instance, version, logger }: TelemetryOptions): Telemetry {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const traffic = new Traffic(clock.now());
  const pauses = seriesOf(metrics).histogram('gc');
  const figures = new ProcessFigures(clock, (kind, seconds) => pauses(kind).observe(seconds));
  const steps = stepsOf(clock);
  const limits = createLimitFigures(metrics);
  let sources: Sources | undefined;
  metrics.gauge('build').set({ version, node: process.version }, 1);
  for (const key of [
    'breakerTrips',
    'clockSteps',
    'breakerRejections',
    'breakerLate',
    'retryBudget',
    'runsDropped',
    'contentsDropped',
    'ledgerUnjournalled',
    'cacheGaps',
  ] as const)
    metrics.counter(key).inc(0);
  for (const reason of ['queue', 'event_loop', 'memory', 'full'])
    metrics.counter('requestsShed').inc({ reason, priority: 'new' }, 0);
  for (const kind of GC_KIND_NAMES) metrics.histogram('gc').series(kind);
  for (const by of ['hit', 'shared', 'stale']) metrics.counter('cachedRuns').inc({ by }, 0);
  for (const operation of ['remember', 'recall']) metrics.counter('memoryWithoutVector').inc({ operation }, 0);
  for (const end of ['written', 'dropped']) metrics.counter('ledgerRows').inc({ end }, 0);
  for (const outcome of ['applied', 'refused']) metrics.counter('configReloads').inc({ outcome }, 0);
  metrics.gauge('configTaken').set(1);
  for (const end of ['exported', 'dropped', 'rejected']) metrics.counter('spans').inc({ end }, 0);

  return {
    observer: createObserver({ metrics, traffic, clock, logger }),
    sockets: createSocketObserver(metrics),
    limits: limits.observer,
    attach(given) {
      sources = given;
    },
    async metrics() {
      if (sources !== undefined) readSources(metrics, sources);
      limits.read(sources?.limits());
      readProcess(metrics, figures.read());
      if (steps()) metrics.counter('clockSteps').inc();
      metrics.gauge('inFlight').set(traffic.inFlight);
      metrics.gauge('uptime').set(traffic.uptimeMs(clock.now()) / 1000);
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    performance() {
      const { loopDelayP99Ms, loopUtilisation, rssBytes, heapUsedBytes, heapLimitBytes } = figures.read();
      return {
        instance,
        ...traffic.report(clock.now()),
        eventLoop: {
          delayP99Ms: Math.round(loopDelayP99Ms * 100) / 100,
          utilisation: Math.round(loopUtilisation * 1000) / 1000,
        },
        memory: { rssBytes, heapUsedBytes, heapLimitBytes },
      };
    },
    close() {
      figures.close();
      registry.clear();
    },
  };
}

/** Whether the wall clock has jumped since it was last asked. What slews, slews. */
function stepsOf(clock: Clock): () => boolean {
  const offset = (): number => clock.wallMs() - clock.now();
  let known = offset();
  return () => {
    const before = known;
    known = offset();
    return Math.abs(known - before) > CLOCK_STEP_MS;
  };
}

interface ObserverParts {
  readonly metrics: Metrics;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** To find a series by its labels costs as much as to count in it: found once. */
function seriesOf(metrics: Metrics) {
  return {
    counter: (key: MetricKey) => memoised((...labels) => metrics.counter(key).series(...labels)),
    histogram: (key: MetricKey) => memoised((...labels) => metrics.histogram(key).series(...labels)),
  };
}

type RequestEvents =
  | 'requestStarted'
  | 'requestFinished'
  | 'requestShed'
  | 'attemptFinished'
  | 'runFinished'
  | 'turnFinished';

function createObserver({ metrics, traffic, clock, logger }: ObserverParts): Observer {
  const { counter, histogram } = seriesOf(metrics);
  const durations = histogram('httpDuration');
  const hubTimes = histogram('hubTime');
  const requestErrors = counter('requestErrors');
  const shed = counter('requestsShed');
  const shedLog = new ShedLog(clock, logger);
  const attempts = counter('attempts');
  const attemptTimes = histogram('attemptDuration');
  const firstTokens = histogram('firstToken');
  const runs = counter('runs');
  const tokens = counter('tokens');
  const guardrails = counter('guardrail');
  const agentTurns = counter('agentTurns');
  const agentTools = counter('agentTools');
  const cachedRuns = counter('cachedRuns');
  const costs = counter('cost');
  const unknownCosts = counter('costUnknown');
  return {
    requestStarted() {
      traffic.inFlight++;
    },
    requestFinished(event) {
      const failed = event.status >= 500 || event.streamFailed;
      traffic.finished(event, failed, clock.now());
      durations(event.method, event.route, event.status).observe(event.durationMs / 1000);
      hubTimes(event.route).observe(event.hubMs / 1000);
      const kind = event.streamFailed ? 'stream' : 'status';
      if (failed) requestErrors(event.route, kind).inc();
      logger.info('request-finished', accessFields(event));
    },
    requestShed(reason, priority, request) {
      shed(reason, priority).inc();
      shedLog.count(reason);
      if (request === null) return;
      traffic.shed(clock.now());
      durations(request.method, request.route, request.status).observe(request.durationMs / 1000);
      requestErrors(request.route, 'status').inc();
    },
    attemptFinished(attempt) {
      traffic.totals.attempts++;
      attempts(attempt.provider, attempt.outcome).inc();
      if (attempt.totalMs !== null) attemptTimes(attempt.provider).observe(attempt.totalMs / 1000);
      if (attempt.costMicroUsd !== null) costs(attempt.provider).inc(attempt.costMicroUsd / 1e6);
      else if (attempt.outcome === 'succeeded') unknownCosts(attempt.provider).inc();
      if (attempt.firstTokenMs !== null) firstTokens(attempt.provider).observe(attempt.firstTokenMs / 1000);
    },
    runFinished(run) {
      runs(run.status).inc();
      for (const { stage, action } of run.guardrail ?? []) guardrails(stage, action).inc();
      const provider = run.provider ?? 'none';
      if (run.answered !== undefined) {
        cachedRuns(run.answered.by).inc();
        return;
      }
      if (run.promptTokens !== null) tokens(provider, 'input').inc(run.promptTokens);
      if (run.completionTokens !== null) tokens(provider, 'output').inc(run.completionTokens);
    },
    turnFinished({ end, tools, memory: use }) {
      agentTurns(end, use).inc();
      for (const { outcome } of tools) agentTools(outcome).inc();
    },
    ...createStoreObserver(metrics),
  };
}

/** What stores, ledger, memory system, external APIs and cache tell. */
function createStoreObserver(metrics: Metrics): Omit<Observer, RequestEvents> {
  const { counter, histogram } = seriesOf(metrics);
  const queries = histogram('queries');
  const ledgerRows = counter('ledgerRows');
  const memory = histogram('memoryDuration');
  const cacheOperations = histogram('cacheDuration');
  const poolWaits = metrics.histogram('poolWait').series();
  const cacheTierLookups = counter('cacheTierLookups');
  const cacheTierBytes = counter('cacheTierBytes');
  const externals = histogram('externals');
  return {
    queryFinished({ query, durationMs, failed }) {
      queries(query, failed ? 'failed' : 'ok').observe(durationMs / 1000);
    },
    poolWaited: (waitedMs) => poolWaits.observe(waitedMs / 1000),
    runsDropped: (count) => metrics.counter('runsDropped').inc(count),
    contentsDropped: (count) => metrics.counter('contentsDropped').inc(count),
    retryBudgetExhausted: () => metrics.counter('retryBudget').inc(),
    ledgerRow: (end) => ledgerRows(end).inc(),
    ledgerUnjournalled: () => metrics.counter('ledgerUnjournalled').inc(),
    memoryFinished({ operation, outcome, durationMs, withoutVector }) {
      memory(operation, outcome).observe(durationMs / 1000);
      if (withoutVector) metrics.counter('memoryWithoutVector').inc({ operation });
    },
    externalFinished: ({ api, outcome, durationMs }) => externals(api, outcome).observe(durationMs / 1000),
    cacheOperation: ({ tier, operation, outcome, ms }) => cacheOperations(tier, operation, outcome).observe(ms / 1000),
    cacheLookup({ tier, result, bytes }) {
      cacheTierLookups(tier, result).inc();
      if (bytes > 0) cacheTierBytes(tier, 'read').inc(bytes);
    },
    cacheStored: ({ tier, bytes }) => cacheTierBytes(tier, 'written').inc(bytes),
    cacheGap: () => metrics.counter('cacheGaps').inc(),
    configReloaded(outcome) {
      metrics.counter('configReloads').inc({ outcome });
      metrics.gauge('configTaken').set(outcome === 'applied' ? 1 : 0);
    },
    spansEnded: (end, count) => metrics.counter('spans').inc({ end }, count),
  };
}

function createSocketObserver(metrics: Metrics): SocketObserver {
  const open = metrics.gauge('sockets');
  const runs = metrics.gauge('socketRuns');
  const messages = {
    received: metrics.counter('socketMessages').series('received'),
    sent: metrics.counter('socketMessages').series('sent'),
  };
  return {
    opened: () => open.inc(),
    closed(code) {
      open.dec();
      metrics.counter('socketCloses').inc({ code });
    },
    message: (direction) => messages[direction].inc(),
    runs: (change) => runs.inc(change),
  };
}

function readSources(metrics: Metrics, sources: Sources): void {
  readBreakers(metrics, sources.breakers());
  const pool = sources.pool();
  metrics.gauge('pool').set({ state: 'total' }, pool.total);
  metrics.gauge('pool').set({ state: 'idle' }, pool.idle);
  metrics.gauge('pool').set({ state: 'max' }, pool.max);
  metrics.gauge('poolWaiting').set(pool.waiting);
  metrics.gauge('backlog').set(sources.backlog());
  readCache(metrics, sources.cache());
  readLookups(metrics, 'keyLookups', sources.keyLookups());
  const { backlog, journalBytes, reserved } = sources.ledger();
  metrics.gauge('ledgerReserved').set(reserved);
  metrics.gauge('ledgerBacklog').set(backlog);
  metrics.gauge('ledgerJournal').set(journalBytes);
  metrics.gauge('admittedShare').set(sources.admittedShare());
  const { live, draining, degraded } = sources.instances();
  const drainers = metrics.gauge('instanceDraining');
  drainers.reset();
  for (const peer of draining) drainers.set({ peer }, 1);
  metrics.gauge('instances').set(live);
  metrics.gauge('stateDegraded').set(degraded ? 1 : 0);
  for (const { name, status } of sources.checks()) metrics.gauge('health').set({ check: name }, HEALTH_VALUE[status]);
}

function readLookups(metrics: Metrics, name: 'cacheLookups' | 'keyLookups', figures: LookupFigures): void {
  const lookups = metrics.counter(name);
  lookups.reset();
  const { hits, misses, shared, staleServed } = figures;
  const counts = { memory: hits, beneath: misses, shared, stale: staleServed };
  for (const [result, count] of Object.entries(counts)) lookups.inc({ result }, count);
}

function readCache(metrics: Metrics, cache: CacheFigures): void {
  readLookups(metrics, 'cacheLookups', cache);
  metrics.gauge('cacheBytes').set(cache.bytes);
  metrics.gauge('cacheEntries').set(cache.entries);
  setCounter(metrics.counter('cacheEvictions'), cache.evictions);
}

function readProcess(metrics: Metrics, reading: ProcessReading): void {
  metrics.gauge('eventLoopDelay').set(reading.loopDelayP99Ms / 1000);
  metrics.gauge('eventLoopDelayMax').set(reading.loopDelayMaxMs / 1000);
  metrics.gauge('eventLoopUtilisation').set(reading.loopUtilisation);
  const { user, system } = process.cpuUsage();
  setCounter(metrics.counter('cpu'), (user + system) / 1e6);
  metrics.gauge('rss').set(reading.rssBytes);
  metrics.gauge('heap').set(reading.heapUsedBytes);
  metrics.gauge('heapLimit').set(reading.heapLimitBytes);
}

function accessFields(event: RequestFinished): LogFields {
  // What is undefined is not written.
  return {
    request: event.requestId,
    method: event.method,
    route: event.route,
    status: event.status,
    ms: Math.round(event.durationMs * 100) / 100,
    hubMs: Math.round(event.hubMs * 100) / 100,
    run: event.runId ?? undefined,
    trace: event.traceId ?? undefined,
    error: event.errorCode ?? undefined,
    streamFailed: event.streamFailed || undefined,
  };
}

/** Those that are not closed one by one, as far as these are few, the rest as counts: ten thousand healthy breakers cost a scrape five numbers. */
function readBreakers(metrics: Metrics, breakers: Iterable<BreakerFigures>): void {
  const counts: Record<BreakerStateName, number> = { closed: 0, open: 0, half_open: 0, forced_open: 0, disabled: 0 };
  const sums = { trips: 0, rejected: 0, lateResults: 0 };
  const state = metrics.gauge('breakerState');
  state.reset();
  let shown = 0;
  for (const breaker of breakers) {
    counts[breaker.state]++;
    sums.trips += breaker.trips;
    sums.rejected += breaker.rejected;
    sums.lateResults += breaker.lateResults;
    if (breaker.state !== 'closed' && shown++ < bounds.breakerSeriesMax)
      state.set({ breaker: breaker.key }, STATE_VALUE[breaker.state]);
  }
  for (const [name, count] of Object.entries(counts)) metrics.gauge('breakers').set({ state: name }, count);
  setCounter(metrics.counter('breakerTrips'), sums.trips);
  setCounter(metrics.counter('breakerRejections'), sums.rejected);
  setCounter(metrics.counter('breakerLate'), sums.lateResults);
}
