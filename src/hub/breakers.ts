/** The registry of breakers as routes, health and metrics see it, and the guard that outbound rooms are given. */
import type { BreakerControl, BreakerStatus } from '#contract/breakers';
import type { Guard } from '#contract/guard';
import type { Logger } from '#contract/logger';
import type { Clock } from '#core/clock';
import { UnavailableError } from '#core/errors';
import type { Breaker, BreakerRegistry } from '#resilience/index';

export function createBreakerControl(registry: BreakerRegistry, clock: Clock): BreakerControl {
  const act = (key: string, change: (breaker: Breaker) => void): BreakerStatus | null => {
    const breaker = registry.find(key);
    if (breaker === undefined) return null;
    change(breaker);
    return statusOf(breaker, clock);
  };
  return {
    list: () => [...registry.values()].map((breaker) => statusOf(breaker, clock)),
    get: (key) => act(key, () => undefined),
    forceOpen: (key, order) => act(key, (breaker) => breaker.forceOpen(order)),
    forceClose: (key, order) => act(key, (breaker) => breaker.disable(order)),
    reset: (key, order) => act(key, (breaker) => breaker.reset(order.reason)),
  };
}

/** For a scrape, without the windows: a status of each of ten thousand breakers would take longer than all the rest. */
export function* figuresOfBreakers(registry: BreakerRegistry) {
  for (const { key, state, trips, rejected, lateResults } of registry.values())
    yield { key, state: state.kind, trips, rejected, lateResults };
}

function statusOf(breaker: Breaker, clock: Clock): BreakerStatus {
  const now = clock.now();
  const { state } = breaker;
  const { failures, calls } = breaker.counts();
  const until = state.kind === 'open' || state.kind === 'forced_open' ? state.until : null;
  const remainingMs = until === null ? null : Math.max(0, Math.round(until - now));
  return {
    key: breaker.key,
    state: state.kind,
    suspect: breaker.suspect,
    failuresInWindow: failures,
    callsInWindow: calls,
    inFlight: breaker.inFlight,
    retryAfterMs: remainingMs,
    stateAgeMs: Math.round(now - state.since),
    trips: breaker.trips,
    rejected: breaker.rejected,
    lateResults: breaker.lateResults,
    forced:
      state.kind === 'forced_open' || state.kind === 'disabled'
        ? { by: state.by, reason: state.reason, remainingMs: state.kind === 'forced_open' ? remainingMs : null }
        : null,
  };
}

/** Every transition in the log: what an operator reads first. */
export function logTransitions(registry: BreakerRegistry, logger: Logger): void {
  registry.onTransition(({ key, from, to, reason, remainingMs }) => {
    const fields = {
      breaker: key,
      from,
      to,
      reason,
      remainingMs: remainingMs === null ? null : Math.round(remainingMs),
    };
    if (to === 'open' || to === 'forced_open') logger.warn('breaker-opened', fields);
    else logger.info(to === 'closed' ? 'breaker-closed' : 'breaker-changed', fields);
  });
}

/** A dependency of the hub's own that is back must be met again within seconds, not after the half minute that a model provider is given. */
export const DEPENDENCY_BREAKER = { openMs: 500, openMsMax: 2_000, probeSuccesses: 1, minFailureRate: 0 } as const;

/**
 * A guard over the breaker of this name. The operation has deadlines of its own; what the guard adds is that a dependency which
 * failed again and again is left alone, and its callers are told so at once.
 */
export function createGuard(breaker: Breaker, isFailure: (error: unknown) => boolean): Guard {
  const never = new AbortController().signal;
  return {
    name: breaker.key,
    async run(operation) {
      const permit = breaker.tryAcquire();
      if (!permit.granted) {
        throw new UnavailableError(
          'database_unavailable',
          'The database does not answer just now. Try again in a moment.',
          {
            internal: `the circuit "${breaker.key}" is ${permit.reason}`,
            retryAfterMs: permit.retryAfterMs,
          },
        );
      }
      try {
        const result = await operation(never);
        permit.success();
        return result;
      } catch (error) {
        if (isFailure(error)) permit.failure();
        else permit.success();
        throw error;
      }
    },
  };
}
