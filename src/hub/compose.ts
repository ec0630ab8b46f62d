/**
 * The hub, put together in the order in which its parts need each other; it ends in the reverse. Reads as the story of the whole
 * system: log and metrics, breakers, storage, keys, gateway, health, server.
 */
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Clock } from '#core/clock';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import { systemRandom } from '#core/random';
import type { Gateway } from '#contract/gateway';
import { changesBetween } from '#config/index';
import type { Config, Discovered } from '#config/index';
import { createGateway } from '#gateway/gateway';
import { createKeys } from '#gateway/keys';
import { createRunReader } from '#gateway/run-reader';
import { RunningRuns } from '#gateway/runs';
import { createHealth } from '#health/health';
import { createServer } from '#http/server';
import { createProvider } from '#providers/index';
import { BreakerRegistry, RetryBudget } from '#resilience/index';
import { createLogger } from '#telemetry/logger';
import { createTelemetry } from '#telemetry/telemetry';
import { ensureAdminKey } from './admin-key-file.ts';
import { createBreakerControl, logTransitions } from './breakers.ts';
import { GatewaySwitch } from './gateway-switch.ts';
import type { GatewayBuild } from './gateway-switch.ts';
import { createChecks } from './health.ts';
import { isLoopback, watchKeyless } from './keyless.ts';
import { socketPath } from './socket.ts';
import { keepRuns, openHubStorage } from './storage.ts';
import { readVersion } from './version.ts';

export interface HubOverrides {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Where the log goes; standard error by default. */
  readonly logTo?: { write(text: string): void };
  /** Whether the log may be coloured. */
  readonly colours?: boolean;
}

/** What a person wants to know of a hub that has just started. */
export interface StartSummary {
  readonly url: string;
  readonly version: string;
  readonly instance: string;
  readonly keyless: boolean;
  readonly storage: 'embedded' | 'postgres';
  readonly dataDir: string;
  readonly providers: readonly { readonly name: string; readonly kind: string; readonly address: string; readonly because: string }[];
  /** A model name that can be asked for as it is. */
  readonly exampleModel: string | null;
}

export interface Hub {
  readonly url: string;
  readonly summary: StartSummary;
  /** Takes up what can be without a restart; returns the paths that changed and those that need one. */
  reload(config: Config): Promise<ReturnType<typeof changesBetween>>;
  /** Stops taking new requests, lets those under way end, writes what waits, closes everything. Once. */
  shutdown(reason: string): Promise<void>;
}

/** Throws an `Error` that says what stands in the way: an address in use, a folder in use, a database away, no key. */
export async function startHub(config: Config, discovered: readonly Discovered[] = [], overrides: HubOverrides = {}): Promise<Hub> {
  const { clock = systemClock, random = systemRandom, logTo = process.stderr } = overrides;
  await using stack = new AsyncDisposableStack();
  const version = readVersion();
  const { host, port } = config.server;
  const instance = config.server.instance ?? `${hostname()}-${process.pid}`;
  const format = config.logging.format === 'auto' ? (overrides.colours === true ? 'pretty' : 'json') : config.logging.format;
  const logger = createLogger({ level: config.logging.level, format, instance, colours: overrides.colours ?? false, destination: logTo });

  const telemetry = createTelemetry({ clock, instance, version, logger });
  stack.defer(() => telemetry.close());
  const { observer } = telemetry;

  const breakers = new BreakerRegistry({ clock, random, defaults: config.resilience.breaker });
  logTransitions(breakers, logger);
  const control = createBreakerControl(breakers, clock);

  mkdirSync(config.storage.dataDir, { recursive: true, mode: 0o700 });
  const storage = await openHubStorage({ config, clock, logger, observer, breakers });
  stack.defer(() => storage.close());
  const { adminKeyFile } = config.security;
  if (adminKeyFile !== undefined) await ensureAdminKey(adminKeyFile, storage.stores.keys, clock);
  const keyless = await watchKeyless(storage.stores.keys, clock, logger);
  stack.defer(() => keyless.stop());
  if (keyless.current() && !isLoopback(host)) throw new Error(noKeyFor(host));

  const runs = keepRuns(storage, config.storage.runRetentionDays, { clock, logger, observer });
  stack.defer(() => runs.close());
  const running = new RunningRuns();
  const retryBudget = new RetryBudget({ clock, ratio: config.resilience.retryBudget });
  const build = (from: Config): GatewayBuild =>
    buildGateway(from, { clock, random, observer, logger, running, breakers, retryBudget, runSink: (run) => runs.writer.append(run) });
  const gateway = new GatewaySwitch(build(config));
  stack.defer(() => gateway.close());

  const watched = createChecks({ config, storage, writer: runs.writer, gateway, breakers: control, logger });
  stack.defer(() => watched.stop());
  const health = createHealth({ checks: watched.checks, clock, instance, version });
  telemetry.attach({ breakers: control.list, pool: storage.poolStats, backlog: () => runs.writer.backlog, checks: health.last });

  const keys = createKeys({ keys: storage.stores.keys, audit: storage.stores.audit, clock, logger });
  const server = createServer({
    gateway,
    runs: createRunReader({ running, pending: runs.writer, store: storage.stores.runs }),
    keys: {
      ...boundKeys(keys),
      async create(request) {
        const made = await keys.create(request);
        await keyless.refresh();
        return made;
      },
    },
    keyless: keyless.current,
    audit: storage.stores.audit,
    breakers: control,
    health,
    performance: telemetry.performance,
    metrics: telemetry.metrics,
    observer,
    logger,
    clock,
    settings: { ...config.server, version },
  });
  await server.listenSocket(socketPath(config.storage.dataDir));
  const { url } = await server.listen({ host, port });
  const owned = stack.move();

  let current = config;
  let ending: Promise<void> | undefined;
  async function end(reason: string): Promise<void> {
    logger.info('hub-stopping', { reason });
    health.drain('This instance is shutting down.');
    server.beginDrain();
    await server.close(config.server.shutdownGraceMs);
    await owned.disposeAsync();
    logger.info('hub-stopped', { reason });
  }
  return {
    url,
    summary: summaryOf(config, discovered, { url, version, instance, keyless: keyless.current(), gateway }),
    async reload(next) {
      const changes = changesBetween(current, next);
      const replacement = build(next);
      current = next;
      logger.setLevel(next.logging.level);
      gateway.replace(replacement).catch((error: unknown) => logger.error('gateway-not-closed', {}, error));
      logger.info('config-reloaded', { changed: changes.changed.join(' '), needRestart: changes.needRestart.join(' ') });
      return changes;
    },
    shutdown: (reason) => (ending ??= end(reason)),
  };
}

type GatewayParts = Omit<Parameters<typeof createGateway>[0], 'providers' | 'routes' | 'settings'>;

function buildGateway(config: Config, parts: GatewayParts): GatewayBuild {
  const { clock, random } = parts;
  const providers = Object.entries(config.providers).map(([name, { kind, settings }]) => createProvider(kind, settings, { name, clock, random }));
  const { timeouts, retry, concurrentMax } = config.resilience;
  const settings = { timeouts, retry, concurrentMax, attemptsMax: ATTEMPTS_MAX };
  return {
    gateway: createGateway({ ...parts, providers, routes: config.routes, settings }),
    async close() {
      await Promise.all(providers.map((provider) => provider.close()));
    },
  };
}
