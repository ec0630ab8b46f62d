/** Circuit breakers as routes, health and metrics see them; the resilience room holds the machine. */

export type BreakerStateName = 'closed' | 'open' | 'half_open' | 'forced_open' | 'disabled';

export interface BreakerStatus {
  readonly key: string;
  readonly state: BreakerStateName;
  readonly suspect: boolean;
  readonly failuresInWindow: number;
  readonly callsInWindow: number;
  readonly inFlight: number;
  /** Until the next probe may go, where open; null otherwise. */
  readonly retryAfterMs: number | null;
  /** Since when it is in this state, in milliseconds ago. */
  readonly stateAgeMs: number;
  readonly trips: number;
  readonly rejected: number;
  readonly lateResults: number;
  /** Who forced it and why, where it is forced. */
  readonly forced: { readonly by: string; readonly reason: string; readonly remainingMs: number | null } | null;
}

export interface BreakerControl {
  list(): readonly BreakerStatus[];
  get(key: string): BreakerStatus | null;
  /** Each returns the new status, or null for an unknown key. */
  forceOpen(key: string, order: { by: string; reason: string; forMs?: number | undefined }): BreakerStatus | null;
  /** Lets every call through and counts nothing until reset. */
  forceClose(key: string, order: { by: string; reason: string }): BreakerStatus | null;
  reset(key: string, order: { by: string; reason: string }): BreakerStatus | null;
}
