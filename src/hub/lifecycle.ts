/** A hub that runs: how it takes up a new configuration, and how it ends without losing anything that was acknowledged. */
import { changesBetween, ConfigError, lineOf } from '#config/index';
import type { Changes, Config } from '#config/index';
import type { Health } from '#contract/health';
import type { Observer } from '#contract/observer';
import type { AuditStore } from '#contract/stores';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { newId } from '#core/ids';
import { limits as bounds } from '#core/limits';
import type { HttpServer } from '#http/server';
import type { Limiter } from '#limits/index';
import type { AdjustableLogger } from '#telemetry/logger';
import type { StartSummary } from './summary.ts';
import type { Upstreams } from './upstreams.ts';

export interface Hub {
  readonly url: string;
  readonly summary: StartSummary;
  /** Takes up what can be without a restart; returns the paths that changed and those that need one. */
  reload(config: Config): Promise<Changes>;
  /** Tells that a new configuration was not taken up, and why: what was thrown when it was read or reloaded. Never rejects. */
  refuse(thrown: unknown): Promise<void>;
  /** Stops taking new requests, lets those under way end, writes what waits, closes everything. Once. */
  shutdown(reason: string): Promise<void>;
}

export interface HubParts {
  readonly url: string;
  readonly summary: StartSummary;
  /** Everything that was opened, to be closed in the reverse order. */
  readonly owned: AsyncDisposableStack;
  readonly upstreams: Upstreams;
  readonly limits: Limiter;
  readonly health: Health;
  readonly instances: { drain(): void };
  readonly logger: AdjustableLogger;
  readonly observer: Pick<Observer, 'configReloaded'>;
  readonly server: HttpServer;
  readonly audit: Pick<AuditStore, 'append'>;
  readonly clock: Clock;
}

export class RunningHub implements Hub {
  readonly url: string;
  readonly summary: StartSummary;
  readonly #parts: HubParts;
  #config: Config;
  #ending: Promise<void> | undefined;

  constructor(config: Config, parts: HubParts) {
    this.url = parts.url;
    this.summary = parts.summary;
    this.#config = config;
    this.#parts = parts;
  }

  async reload(next: Config): Promise<Changes> {
    const { upstreams, limits, logger, observer } = this.#parts;
    const changes = changesBetween(this.#config, next);
    const { retired } = await upstreams.replace(next);
    limits.configure(next.limits);
    this.#config = next;
    logger.setLevel(next.logging.level);
    // What was there before is closed when its last request has ended; nobody waits for that.
    retired.catch((error: unknown) => logger.error('upstreams-not-closed', {}, error));
    logger.info('config-reloaded', {
      changed: changes.changed.join(' '),
      needRestart: changes.needRestart.join(' '),
    });
    observer.configReloaded('applied');
    await this.#writeDown('config-reloaded', { ...changes });
    return changes;
  }

  async refuse(thrown: unknown): Promise<void> {
    const { logger, observer } = this.#parts;
    const reason = 'the configuration stays as it was, because the new one is invalid';
    const problems = thrown instanceof ConfigError ? thrown.problems : [];
    const told = problems.slice(0, bounds.configProblemsToldMax);
    const lines = told.length === 0 ? [messageOf(thrown)] : told.map(lineOf);
    const untold = problems.length - told.length;
    logger.error('config-refused', { reason, problems: lines, ...(untold > 0 && { untold }) });
    observer.configReloaded('refused');
    await this.#writeDown('config-refused', { problems: told.map(({ path, origin }) => ({ path, origin })) });
  }

  /** Which settings, never their values. It is in force already, or refused, whether the database is there or not. */
  async #writeDown(action: 'config-reloaded' | 'config-refused', detail: Record<string, unknown>): Promise<void> {
    const { audit, clock, logger } = this.#parts;
    const atWallMs = clock.wallMs();
    const act = { actor: 'config', action, subject: 'configuration' };
    try {
      await audit.append({ id: newId('aud', atWallMs), projectId: DEFAULT_PROJECT_ID, atWallMs, ...act, detail });
    } catch (error) {
      logger.error('audit-failed', { ...act, reason: messageOf(error) }, error);
    }
  }

  shutdown(reason: string): Promise<void> {
    return (this.#ending ??= this.#end(reason));
  }

  async #end(reason: string): Promise<void> {
    const { health, instances, server, owned, logger } = this.#parts;
    logger.info('hub-stopping', { reason });
    health.drain('This instance is shutting down.');
    instances.drain();
    server.beginDrain();
    await server.close(this.#config.server.shutdownGraceMs);
    await owned.disposeAsync();
    logger.info('hub-stopped', { reason });
  }
}
