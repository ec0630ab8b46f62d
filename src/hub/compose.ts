/**
 * The hub, put together in the order in which its parts need each other; it ends in the reverse. Reads as the story of the whole
 * system: log and metrics, breakers, storage, keys, gateway, health, server.
 */
import { hostname } from 'node:os';
import type { Clock } from '#core/clock';
import { systemClock } from '#core/clock';
import type { Random } from '#core/random';
import { systemRandom } from '#core/random';
import type { Config, Discovered } from '#config/index';
import type { BatchWriter } from '#contract/batch-writer';
import type { ContentRecord } from '#contract/content';
import type { Observer } from '#contract/observer';
import type { RunRecord } from '#contract/runs';
import type { Tracing } from '#contract/tracing';
import { createContents } from '#gateway/contents';
import { createIdempotency } from '#gateway/idempotency';
import { createKeys } from '#gateway/keys';
import { createRunReader } from '#gateway/run-reader';
import { RunningRuns } from '#gateway/runs';
import { createHealth } from '#health/health';
import { createServer } from '#http/server';
import { BreakerRegistry, RetryBudget } from '#resilience/index';
import type { Storage } from '#storage/index';
import { createLogger, standardError } from '#telemetry/logger';
import { createTelemetry } from '#telemetry/telemetry';
import type { Telemetry } from '#telemetry/telemetry';
import { openAgents } from './agents.ts';
import { createBreakerControl, figuresOfBreakers, logTransitions } from './breakers.ts';
import { openHubCaches } from './cache.ts';
import { createChecks } from './health.ts';
import { endingKeyless, openKeyless } from './keyless.ts';
import { openHubLedger } from './ledger.ts';
import { RunningHub } from './lifecycle.ts';
import type { Hub } from './lifecycle.ts';
import { openDoors } from './listen.ts';
import { openHubMemory } from './memory.ts';
import { summaryOf } from './summary.ts';
import { keepContents, keepRuns, openHubStorage, purgeWithAge } from './storage.ts';
import { openTraces } from './traces.ts';
import { Upstreams } from './upstreams.ts';
import { readVersion } from './version.ts';

export interface HubOverrides {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Where the log goes; standard error by default, written behind the requests and whole at the end. */
  readonly logTo?: { write(text: string): void };
  /** Whether the log may be coloured. */
  readonly colours?: boolean;
}

/** Throws an `Error` that says what stands in the way: an address in use, a folder in use, a database away, no key. */
export async function startHub(
  config: Config,
  discovered: readonly Discovered[] = [],
  overrides: HubOverrides = {},
): Promise<Hub> {
  await using stack = new AsyncDisposableStack();
  const ground = layGround(stack, config, overrides);
  const { clock, random, instance, version, logger, telemetry, tracing, observer, breakers, control } = ground;

  const storage = await openHubStorage({ config, clock, logger, observer, breakers });
  stack.defer(() => storage.close());
  const caches = openHubCaches(stack, { config, storage, clock, random, logger, observer, breakers });
  const keyless = await openKeyless({ config, keys: storage.stores.keys, clock, logger });
  stack.defer(() => keyless.stop());

  const { runs, contents, ledger } = keepRecords(stack, storage, { config, clock, logger, observer });
  const running = new RunningRuns();
  const retryBudget = new RetryBudget({ clock, ratio: config.resilience.retryBudget });
  const behind = { ...sinksOf(runs.writer, contents.writer), ledger, answers: caches.answers };
  const parts = { clock, random, observer, tracing, logger, running, breakers, retryBudget, ...behind };
  const upstreams = await Upstreams.open(config, parts);
  stack.defer(() => upstreams.close());
  const { gateway, external } = upstreams;
  const memory = openHubMemory(stack, { config, storage, gateway, clock, logger, observer, breakers });

  const watched = createChecks({ config, storage, memory, writer: runs.writer, gateway, breakers: control, logger });
  stack.defer(() => watched.stop());
  const health = createHealth({ checks: watched.checks, clock, instance, version, logger });
  telemetry.attach({
    breakers: () => figuresOfBreakers(breakers),
    pool: () => storage.poolStats(),
    backlog: () => runs.writer.backlog,
    ledger: () => ledger,
    ...caches.figures,
    checks: () => health.last(),
  });

  const { stores } = storage;
  const { audit, claims } = stores;
  const keys = createKeys({ keys: storage.stores.keys, audit, lookups: caches.lookups, clock, logger });
  const idempotency = createIdempotency({ claims, clock, logger });
  stack.defer(() => idempotency.close());
  const talking = openAgents(stack, { stores, memory, external, gateway, clock, observer, tracing, logger });
  const reader = createRunReader({ running, pending: runs.writer, store: storage.stores.runs });
  const server = createServer({
    ...talking,
    external,
    runs: reader,
    contents: createContents({ runs: reader, pending: contents.writer, store: storage.stores.contents, audit, clock }),
    keys: endingKeyless(keys, keyless),
    idempotency,
    keyless: () => keyless.current(),
    usage: storage.stores.usage,
    audit,
    agentStore: storage.stores.agents,
    conversations: storage.stores.conversations,
    memory,
    breakers: control,
    cache: caches.control,
    health,
    ...figuresOf(telemetry, tracing),
    logger,
    clock,
    settings: { ...config.server, version, instance },
  });
  const url = await openDoors(server, config);
  const about = { url, version, instance, keyless: keyless.current(), addresses: gateway.addresses() };
  const summary = summaryOf(config, discovered, about);
  return new RunningHub(config, { url, summary, owned: stack.move(), upstreams, health, logger, server, audit, clock });
}

/** Where a run that has ended goes, and what was said in it. */
function sinksOf(runs: BatchWriter<RunRecord>, contents: BatchWriter<ContentRecord>) {
  return {
    runSink: (run: RunRecord): void => runs.append(run),
    contentSink: (content: ContentRecord): void => contents.append(content),
  };
}

/** What requests and sockets tell, and what is asked about them. */
function figuresOf(telemetry: Telemetry, tracing: Tracing | undefined) {
  return {
    observer: tracing === undefined ? telemetry.observer : tracedToo(telemetry.observer, tracing),
    sockets: telemetry.sockets,
    tracing,
    performance: () => telemetry.performance(),
    metrics: () => telemetry.metrics(),
  };
}

function tracedToo(observer: Observer, tracing: Tracing): Observer {
  return {
    ...observer,
    requestFinished(event) {
      observer.requestFinished(event);
      tracing.requestFinished(event);
    },
  };
}

/** What is written behind the requests, and what is deleted with age. */
function keepRecords(stack: AsyncDisposableStack, storage: Storage, parts: Parameters<typeof openHubLedger>[1]) {
  const runs = keepRuns(storage, parts);
  stack.defer(() => runs.close());
  const contents = keepContents(storage, parts);
  stack.defer(() => contents.close());
  const usage = openHubLedger(storage, parts);
  stack.defer(() => usage.close());
  const purging = purgeWithAge(storage, parts);
  stack.defer(() => purging.stop());
  return { runs, contents, ledger: usage.ledger };
}

/** What every part stands on: time and chance, the log, the metrics, the breakers. Nothing here opens a connection. */
function layGround(stack: AsyncDisposableStack, config: Config, overrides: HubOverrides) {
  const { clock = systemClock, random = systemRandom, colours = false, logTo = standardError() } = overrides;
  const version = readVersion();
  const instance = config.server.instance ?? `${hostname()}-${process.pid}`;
  const { level } = config.logging;
  const format = config.logging.format === 'auto' ? (colours ? 'pretty' : 'json') : config.logging.format;
  const logger = createLogger({ clock, level, format, instance, colours, destination: logTo });
  const telemetry = createTelemetry({ clock, instance, version, logger });
  stack.defer(() => telemetry.close());
  const { observer } = telemetry;
  const breakers = new BreakerRegistry({ clock, random, defaults: config.resilience.breaker });
  logTransitions(breakers, logger);
  const control = createBreakerControl(breakers, clock);
  const tracing = openTraces(stack, { config, instance, version, clock, logger, observer, breakers });
  return { clock, random, instance, version, logger, telemetry, tracing, observer, breakers, control };
}
