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
import type { RunRecord, RunWriter } from '#contract/runs';
import type { Tracing } from '#contract/tracing';
import { createContents } from '#gateway/contents';
import { createIdempotency } from '#gateway/idempotency';
import { createKeys } from '#gateway/keys';
import { createRunReader } from '#gateway/run-reader';
import { RunningRuns } from '#gateway/runs';
import { createServer } from '#http/server';
import { BreakerRegistry } from '#resilience/index';
import type { Storage } from '#storage/index';
import { createLogger } from '#telemetry/logger';
import { standardError } from '#telemetry/standard-error';
import { createTelemetry } from '#telemetry/telemetry';
import type { Telemetry } from '#telemetry/telemetry';
import { openAgents } from './agents.ts';
import { createBreakerControl, logTransitions } from './breakers.ts';
import { openHubCaches } from './cache.ts';
import { addressFor, openHubInstances, openInstanceRoll, sharingOrders } from './instances.ts';
import { endingKeyless, openKeyless } from './keyless.ts';
import { openHubLedger } from './ledger.ts';
import { RunningHub } from './lifecycle.ts';
import type { Hub } from './lifecycle.ts';
import { openDoors } from './listen.ts';
import { openHubLimits } from './limits.ts';
import { openHubMemory } from './memory.ts';
import { openRedis } from './redis.ts';
import { summaryOf } from './summary.ts';
import { keepContents, keepRuns, openHubStorage, purgeWithAge } from './storage.ts';
import { openTraces } from './traces.ts';
import { Upstreams } from './upstreams.ts';
import { watchHub } from './watching.ts';
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
  const { clock, random, instance, version, logger, telemetry, tracing, observer, breakers } = ground;

  const { state, instances, registry, incarnation, control } = joinOthers(stack, config, ground);
  const storage = await openHubStorage({ config, clock, logger, observer, breakers });
  stack.defer(() => storage.close());
  const caches = openHubCaches(stack, { config, storage, clock, random, logger, observer, breakers });
  const keyless = await openKeyless({ config, keys: storage.stores.keys, clock, logger });
  stack.defer(() => keyless.stop());

  const { runs, contents, ledger } = keepRecords(stack, storage, { ...ground, config, state, incarnation });
  const live = await openInstanceRoll(stack, { ...ground, config, storage, instances });
  const limits = openHubLimits(stack, { ...ground, config, storage, redis: state, instances: live, incarnation });
  const running = new RunningRuns();
  const behind = { ...sinksOf(runs.writer, contents.writer), ledger, answers: caches.answers, limits };
  const parts = { ...ground, running, ...behind };
  const upstreams = await Upstreams.open(config, parts);
  stack.defer(() => upstreams.close());
  const { gateway, limitedExternal: external } = upstreams;
  const memory = openHubMemory(stack, { config, storage, gateway, clock, logger, observer, breakers });

  const seen = { config, storage, memory, runs, gateway, breakers: control, circuits: breakers, limits, instances };
  const { health, load } = watchHub(stack, { ...ground, ...seen, ledger, figures: caches.figures });
  const keys = createKeys({ ...storage.stores, lookups: caches.lookups, clock, logger });
  const idempotency = createIdempotency({ ...storage.stores, clock, logger });
  stack.defer(() => idempotency.close());
  const talking = openAgents(stack, { ...ground, ...caches, stores: storage.stores, memory, external, gateway });
  const server = createServer({
    ...talking,
    external,
    ...readersOf(storage, { running, runs: runs.writer, contents: contents.writer, clock }),
    keys: endingKeyless(keys, keyless),
    idempotency,
    keyless: () => keyless.current(),
    load,
    memory,
    breakers: control,
    cache: caches.control,
    limits,
    health,
    instances: registry,
    ...figuresOf(telemetry, tracing),
    logger,
    clock,
    settings: { ...config.server, version, instance },
  });
  const url = await openDoors(server, config);
  registry.begin(addressFor(url));
  const about = { url, version, instance, keyless: keyless.current(), addresses: gateway.addresses() };
  const summary = summaryOf(config, discovered, about);
  const owned = stack.move();
  return new RunningHub(config, {
    ...ground,
    url,
    summary,
    owned,
    upstreams,
    limits,
    health,
    instances: registry,
    server,
    audit: storage.stores.audit,
  });
}

/** The Redis for what instances share, and this instance among them. */
function joinOthers(stack: AsyncDisposableStack, config: Config, ground: ReturnType<typeof layGround>) {
  const state = openRedis(stack, 'state', { ...ground, config });
  const instances = openHubInstances(stack, { ...ground, config, redis: state });
  const { registry, incarnation, evidence } = instances;
  return { state, instances, registry, incarnation, control: sharingOrders(ground.control, evidence) };
}

/** Where a run that has ended goes, and what was said in it. */
function sinksOf(runs: RunWriter, contents: BatchWriter<ContentRecord>) {
  return {
    runSink: (run: RunRecord): void => runs.append(run),
    contentSink: (content: ContentRecord): void => contents.append(content),
  };
}

/** What was kept, for whoever asks: also what is on its way to the database. */
function readersOf(
  { stores }: Storage,
  parts: { running: RunningRuns; runs: RunWriter; contents: BatchWriter<ContentRecord>; clock: Clock },
) {
  const { usage, audit, conversations } = stores;
  const runs = createRunReader({ running: parts.running, pending: parts.runs, store: stores.runs });
  const from = { runs, pending: parts.contents, store: stores.contents, audit, clock: parts.clock };
  return { runs, contents: createContents(from), usage, audit, conversations };
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
  const contents = keepContents(storage, parts);
  const usage = openHubLedger(storage, parts);
  // Side by side: one after the other they would have the time of three where the database hangs.
  stack.defer(async () => void (await Promise.all([runs.close(), contents.close(), usage.close()])));
  const purging = purgeWithAge(storage, parts);
  stack.defer(() => purging.stop());
  return { runs, contents, ledger: usage.ledger };
}

/** What every part stands on: time and chance, the log, the metrics, the breakers. Nothing here opens a connection. */
function layGround(stack: AsyncDisposableStack, config: Config, overrides: HubOverrides) {
  const { clock = systemClock, random = systemRandom, colours = false, logTo = standardError(clock) } = overrides;
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
