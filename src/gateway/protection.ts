/**
 * What the gateway asks of the resilience room, no wider than its use: leave to make a call, and leave to repeat one. The breakers
 * and the budget of that room have this shape; a test may count with it.
 */
import type { BreakerStateName } from '#contract/breakers';

/** Settled exactly once. */
export interface Permit {
  readonly granted: true;
  /** The upstream answers: proof enough for a probe, whose permit is settled at the end all the same. */
  wellSoFar(): void;
  success(): void;
  failure(retryAfterMs?: number): void;
  throttled(retryAfterMs?: number): void;
  ignore(): void;
}

export interface Rejection {
  readonly granted: false;
  readonly reason: string;
  readonly retryAfterMs: number;
}

export interface Breaker {
  readonly state: { readonly kind: BreakerStateName };
  tryAcquire(): Permit | Rejection;
}

export interface Breakers {
  get(key: string): Breaker;
}

/** Shared by all calls of a process, so that an outage is not multiplied by everybody's retries. */
export interface RetryBudget {
  /** A call was made: it earns a share of a retry. */
  recordCall(): void;
  /** Spends one retry; false where there is none left. */
  tryRetry(): boolean;
}
