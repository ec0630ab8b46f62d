/** Limits for the hub: counted in the Redis for shared state where there is one, behind a breaker of its own, else in this process. */
import type { Clock } from '#core/clock';
import type { LiveInstances } from '#contract/instances';
import type { LimitObserver } from '#contract/limit-observer';
import type { Logger } from '#contract/logger';
import type { Config } from '#config/index';
import { Limiter } from '#limits/index';
import type { RedisPort } from '#redis/index';
import type { BreakerRegistry } from '#resilience/index';
import type { Storage } from '#storage/index';
import { DEPENDENCY_BREAKER } from './breakers.ts';
import { briefly } from './ending.ts';

export interface LimitsParts {
  readonly config: Pick<Config, 'limits'>;
  readonly storage: Pick<Storage, 'stores'>;
  /** Of the role `state`; null where none is named. */
  readonly redis: RedisPort | null;
  readonly instances: LiveInstances;
  readonly incarnation: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: { readonly limits: LimitObserver };
  readonly breakers: BreakerRegistry;
}

/** Closed by the stack: what waits is told and written then. */
export function openHubLimits(stack: AsyncDisposableStack, parts: LimitsParts): Limiter {
  const { config, storage, redis, breakers, telemetry } = parts;
  const shared = redis === null ? null : { redis, breaker: breakers.get('limits', DEPENDENCY_BREAKER) };
  const limiter = new Limiter({
    ...parts,
    settings: config.limits,
    shared,
    spend: storage.stores.spend,
    observer: telemetry.limits,
  });
  stack.defer(() => briefly(parts.clock, () => limiter.close()));
  return limiter;
}
