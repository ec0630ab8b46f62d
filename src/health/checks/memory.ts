/** The memory answers. Agents answer without it and say so, so it never turns readiness red. */
import { messageOf } from '#core/errors';
import type { BreakerStatus } from '#contract/breakers';
import type { HealthCheck } from '#contract/health';
import type { Logger } from '#contract/logger';

export interface MemoryCheckOptions {
  /** Reads one fact through the memory's own deadline and breaker. */
  readonly ping: () => Promise<unknown>;
  readonly breaker: () => BreakerStatus | null;
  /** Whether facts are found by meaning as well. */
  readonly embeddings: boolean;
  readonly logger: Logger;
}

export function memoryCheck({ ping, breaker, embeddings, logger }: MemoryCheckOptions): HealthCheck {
  return {
    name: 'memory',
    runbook: 'memory',
    servesWithout: true,
    timeoutMs: 3_500,
    async check() {
      const data = { circuit: breaker()?.state ?? 'closed', embeddings };
      try {
        await ping();
        return { status: 'healthy', detail: 'The memory answers.', data };
      } catch (error) {
        logger.debug('health-memory', { reason: messageOf(error) });
        const detail = 'The memory does not answer. Agents answer without it, and say so.';
        return { status: 'degraded', detail, data };
      }
    },
  };
}
