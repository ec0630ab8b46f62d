/** The database answers. The hub serves chat without it, so it never turns readiness red. */
import { messageOf } from '#core/errors';
import type { HealthCheck } from '#contract/health';
import type { Logger } from '#contract/logger';

export interface DatabaseCheckOptions {
  readonly kind: string;
  readonly ping: () => Promise<void>;
  readonly poolStats: () => {
    readonly max: number;
    readonly total: number;
    readonly idle: number;
    readonly waiting: number;
  };
  readonly backlog: () => number;
  readonly logger: Logger;
}

export function databaseCheck({ kind, ping, poolStats, backlog, logger }: DatabaseCheckOptions): HealthCheck {
  return {
    name: 'database',
    runbook: 'database',
    servesWithout: true,
    timeoutMs: 3_000,
    async check() {
      const data = { kind, ...poolStats(), runBacklog: backlog() };
      try {
        await ping();
      } catch (error) {
        logger.debug('health-database', { reason: messageOf(error) });
        return {
          status: 'unhealthy',
          detail: 'The database does not answer. Chat goes on; keys cannot be changed, and run records wait.',
          data,
        };
      }
      if (data.waiting > 0 && data.idle === 0)
        return { status: 'degraded', detail: `${data.waiting} callers wait for a database connection.`, data };
      return { status: 'healthy', detail: 'The database answers.', data };
    },
  };
}
