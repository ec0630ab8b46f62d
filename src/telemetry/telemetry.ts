/**
 * Turns what the rooms report into metrics, an access log and the figures of `/api/performance`. On the path of every request, so
 * label sets are resolved once and kept; what can be read when it is asked for (breakers, pool, memory) is read at the scrape.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '#core/clock';
import type { BreakerStateName, BreakerStatus } from '#contract/breakers';
import type { CheckReport } from '#contract/health';
import type { Logger } from '#contract/logger';
import type { Observer, RequestFinished } from '#contract/observer';
import type { PerformanceReport } from '#contract/performance';
import { catalogue } from './catalogue.ts';
import type { MetricEntry, MetricKey } from './catalogue.ts';
import { LatencyWindow } from './histogram.ts';
import { RateWindow } from './rate-window.ts';

export interface TelemetryOptions {
  readonly clock: Clock;
  readonly instance: string;
  readonly version: string;
  readonly logger: Logger;
}

/** What is read when somebody asks, not when it changes. */
export interface Sources {
  breakers(): readonly BreakerStatus[];
  pool(): { readonly max: number; readonly total: number; readonly idle: number; readonly waiting: number };
  backlog(): number;
  checks(): readonly CheckReport[];
}

export interface Telemetry {
  readonly observer: Observer;
  metrics(): Promise<{ contentType: string; body: string }>;
  performance(): PerformanceReport;
  /** Tells where the figures are that are read at a scrape. */
  attach(sources: Sources): void;
  close(): void;
}

const LOOP_RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;
const WINDOW_SECONDS = 60;
const STATE_VALUE: Readonly<Record<BreakerStateName, number>> = {
  closed: 0,
  open: 1,
  half_open: 2,
  forced_open: 3,
  disabled: 4,
};
const HEALTH_VALUE = { healthy: 0, degraded: 1, unhealthy: 2 } as const;

export function createTelemetry({ clock, instance, version, logger }: TelemetryOptions): Telemetry {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const startedAt = clock.now();
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  let utilisation = performance.eventLoopUtilization();
  let sources: Sources | undefined;
  const window = {
    hub: new LatencyWindow(),
    total: new LatencyWindow(),
    requests: new RateWindow(),
    errors: new RateWindow(),
  };
  const totals = { requests: 0, errors: 0, attempts: 0 };
  let inFlight = 0;

  metrics.gauge('build').set({ version, node: process.version }, 1);
  for (const key of ['breakerTrips', 'breakerRejections', 'breakerLate', 'retryBudget', 'runsDropped'] as const)
    metrics.counter(key).inc(0);

  const durations = memoised((key: string) => {
    const [method = '', route = '', status = ''] = key.split(' ');
    return metrics.histogram('httpDuration').labels(method, route, status);
  });
  const hubTimes = memoised((route: string) => metrics.histogram('hubTime').labels(route));

  function requestFinished(event: RequestFinished): void {
    const now = clock.now();
    inFlight--;
    totals.requests++;
    durations(`${event.method} ${event.route} ${event.status}`).observe(event.durationMs / 1000);
    hubTimes(event.route).observe(event.hubMs / 1000);
    window.requests.add(now);
    window.total.record(event.durationMs, now);
    window.hub.record(event.hubMs, now);
    if (event.status >= 500 || event.streamFailed) {
      totals.errors++;
      window.errors.add(now);
      metrics.counter('requestErrors').inc({ http_route: event.route, kind: event.streamFailed ? 'stream' : 'status' });
    }
    logger.info('request-finished', accessFields(event));
  }

  const observer: Observer = {
    requestStarted() {
      inFlight++;
    },
    requestFinished,
    attemptFinished(attempt) {
      totals.attempts++;
      metrics.counter('attempts').inc({ provider: attempt.provider, outcome: attempt.outcome });
      if (attempt.totalMs !== null)
        metrics.histogram('attemptDuration').observe({ provider: attempt.provider }, attempt.totalMs / 1000);
      if (attempt.firstTokenMs !== null)
        metrics.histogram('firstToken').observe({ provider: attempt.provider }, attempt.firstTokenMs / 1000);
    },
    runFinished(run) {
      metrics.counter('runs').inc({ status: run.status });
      const provider = run.provider ?? 'none';
      if (run.promptTokens !== null)
        metrics.counter('tokens').inc({ provider, gen_ai_token_type: 'input' }, run.promptTokens);
      if (run.completionTokens !== null)
        metrics.counter('tokens').inc({ provider, gen_ai_token_type: 'output' }, run.completionTokens);
    },
    queryFinished({ query, durationMs, failed }) {
      metrics.histogram('queries').observe({ query, outcome: failed ? 'failed' : 'ok' }, durationMs / 1000);
    },
    poolWaited: (waitedMs) => metrics.histogram('poolWait').observe(waitedMs / 1000),
    runsDropped: (count) => metrics.counter('runsDropped').inc(count),
    retryBudgetExhausted: () => metrics.counter('retryBudget').inc(),
  };

  function readSources(): void {
    if (sources === undefined) return;
    readBreakers(metrics, sources.breakers());
    const pool = sources.pool();
    metrics.gauge('pool').set({ state: 'total' }, pool.total);
    metrics.gauge('pool').set({ state: 'idle' }, pool.idle);
    metrics.gauge('pool').set({ state: 'max' }, pool.max);
    metrics.gauge('poolWaiting').set(pool.waiting);
    metrics.gauge('backlog').set(sources.backlog());
    for (const { name, status } of sources.checks()) metrics.gauge('health').set({ check: name }, HEALTH_VALUE[status]);
  }

  function readProcess(): void {
    metrics.gauge('inFlight').set(inFlight);
    metrics.gauge('uptime').set((clock.now() - startedAt) / 1000);
    metrics.gauge('eventLoopDelay').set(loopDelayMs() / 1000);
    const now = performance.eventLoopUtilization();
    metrics.gauge('eventLoopUtilisation').set(performance.eventLoopUtilization(now, utilisation).utilization);
    utilisation = now;
    loop.reset();
    const { user, system } = process.cpuUsage();
    const cpu = metrics.counter('cpu');
    cpu.reset();
    cpu.inc((user + system) / 1e6);
    const { rss, heapUsed } = process.memoryUsage();
    metrics.gauge('rss').set(rss);
    metrics.gauge('heap').set(heapUsed);
    metrics.gauge('heapLimit').set(getHeapStatistics().heap_size_limit);
  }

  /** The monitor counts its own sampling interval in. NaN before its first sample. */
  function loopDelayMs(): number {
    const delay = loop.percentile(99) / NS_PER_MS - LOOP_RESOLUTION_MS;
    return Number.isFinite(delay) ? Math.max(0, delay) : 0;
  }

  return {
    observer,
    attach(given) {
      sources = given;
    },
    async metrics() {
      readSources();
      readProcess();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    performance() {
      const now = clock.now();
      const requests = window.requests.sum(now);
      const seconds = Math.min(WINDOW_SECONDS, Math.max(1, Math.round((now - startedAt) / 1000)));
      const { rss, heapUsed } = process.memoryUsage();
      return {
        instance,
        uptimeSeconds: Math.round((now - startedAt) / 1000),
        window: {
          seconds,
          requests,
          requestsPerSecond: Math.round((100 * requests) / seconds) / 100,
          errorRate: requests === 0 ? 0 : window.errors.sum(now) / requests,
          hubTime: window.hub.percentiles(now),
          totalTime: window.total.percentiles(now),
        },
        totals: { ...totals },
        inFlight,
        eventLoop: {
          delayP99Ms: Math.round(loopDelayMs() * 100) / 100,
          utilisation: Math.round(performance.eventLoopUtilization(utilisation).utilization * 1000) / 1000,
        },
        memory: { rssBytes: rss, heapUsedBytes: heapUsed, heapLimitBytes: getHeapStatistics().heap_size_limit },
      };
    },
    close() {
      loop.disable();
      registry.clear();
    },
  };
}

function accessFields(event: RequestFinished): Record<string, string | number | boolean | null> {
  return {
    request: event.requestId,
    method: event.method,
    route: event.route,
    status: event.status,
    ms: Math.round(event.durationMs * 100) / 100,
    hubMs: Math.round(event.hubMs * 100) / 100,
    ...(event.runId === null ? {} : { run: event.runId }),
    ...(event.traceId === null ? {} : { trace: event.traceId }),
    ...(event.errorCode === null ? {} : { error: event.errorCode }),
    ...(event.streamFailed ? { streamFailed: true } : {}),
  };
}

/** Those that are not closed one by one, the rest as counts: ten thousand healthy breakers cost a scrape five numbers. */
function readBreakers(metrics: Metrics, breakers: readonly BreakerStatus[]): void {
  const counts: Record<BreakerStateName, number> = { closed: 0, open: 0, half_open: 0, forced_open: 0, disabled: 0 };
  const sums = { trips: 0, rejected: 0, lateResults: 0 };
  const state = metrics.gauge('breakerState');
  state.reset();
  for (const breaker of breakers) {
    counts[breaker.state]++;
    sums.trips += breaker.trips;
    sums.rejected += breaker.rejected;
    sums.lateResults += breaker.lateResults;
    if (breaker.state !== 'closed') state.set({ breaker: breaker.key }, STATE_VALUE[breaker.state]);
  }
  for (const [name, count] of Object.entries(counts)) metrics.gauge('breakers').set({ state: name }, count);
  setCounter(metrics.counter('breakerTrips'), sums.trips);
  setCounter(metrics.counter('breakerRejections'), sums.rejected);
  setCounter(metrics.counter('breakerLate'), sums.lateResults);
}

/** A counter whose sum is kept elsewhere. */
function setCounter(counter: Counter, value: number): void {
  counter.reset();
  counter.inc(value);
}

interface Metrics {
  counter(key: MetricKey): Counter;
  gauge(key: MetricKey): Gauge;
  histogram(key: MetricKey): Histogram;
}

function createMetrics(registry: Registry): Metrics {
  const counters = new Map<MetricKey, Counter>();
  const gauges = new Map<MetricKey, Gauge>();
  const histograms = new Map<MetricKey, Histogram>();
  for (const key of Object.keys(catalogue) as MetricKey[]) {
    const entry: MetricEntry = catalogue[key];
    const common = { name: entry.name, help: entry.help, labelNames: Object.keys(entry.labels), registers: [registry] };
    if (entry.type === 'counter') counters.set(key, new Counter(common));
    else if (entry.type === 'gauge') gauges.set(key, new Gauge(common));
    else histograms.set(key, new Histogram({ ...common, buckets: [...(entry.buckets ?? [])] }));
  }
  return {
    counter: (key) => there(counters, key),
    gauge: (key) => there(gauges, key),
    histogram: (key) => there(histograms, key),
  };
}

function there<T>(metrics: ReadonlyMap<MetricKey, T>, key: MetricKey): T {
  const metric = metrics.get(key);
  if (metric === undefined) throw new Error(`${key} is in the catalogue with another type`);
  return metric;
}

/** Keys are bounded by what the labels are made of: methods, routes and status codes of the API. */
function memoised<T>(make: (key: string) => T): (key: string) => T {
  const made = new Map<string, T>();
  return (key) => {
    let value = made.get(key);
    if (value === undefined) {
      value = make(key);
      made.set(key, value);
    }
    return value;
  };
}
