/** What a breaker tells whoever listens. */
import type { StateKind } from './state.ts';

export interface Transition {
  readonly key: string;
  readonly from: StateKind;
  readonly to: StateKind;
  readonly reason: string;
  readonly generation: number;
  /** Until a probe may go, where it opened. */
  readonly remainingMs: number | null;
}

/**
 * What an upstream says of its quota: every instance that calls it has the same. `throttled`: nothing until `waitMs` have passed, by
 * its own Retry-After. `served`: the first success since then.
 */
export interface QuotaEvent {
  readonly key: string;
  readonly kind: 'throttled' | 'served';
  readonly waitMs: number;
}
