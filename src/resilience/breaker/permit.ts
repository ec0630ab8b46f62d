/** Leave to make one call: given by a breaker, settled once, whatever its holder does. */
import type { ProbeLease } from './state.ts';

export type Settlement = 'success' | 'failure' | 'throttled' | 'ignore';

/** Leave to make one call. Settle it exactly once; the first settlement counts, later ones do nothing. */
export interface Permit {
  readonly granted: true;
  readonly probe: boolean;
  /**
   * The upstream answers, and the answer goes on: a probe counts as a success from now on, once. The permit is settled at the end
   * all the same, and a failure then is a failure. Does nothing for a call that is no probe.
   */
  wellSoFar(): void;
  success(): void;
  /** `retryAfterMs`: the upstream's own word, which wins over the open wait where it is longer. */
  failure(retryAfterMs?: number): void;
  /** The upstream asks to be left alone (429, 408): no failure, but calls are rejected for `retryAfterMs`. */
  throttled(retryAfterMs?: number): void;
  /** Neither good nor bad: the caller left, a hedge lost. */
  ignore(): void;
  [Symbol.dispose](): void;
}

/** An outcome as it is, so that a refusal costs one object. */
export interface Rejection {
  readonly granted: false;
  readonly kind: 'open';
  readonly key: string;
  readonly reason: 'open' | 'half_open_full' | 'forced_open' | 'throttled';
  readonly retryAfterMs: number;
}

/** Who takes a permit back. */
interface Issuer {
  prove(permit: SettledPermit): void;
  settle(permit: SettledPermit, result: Settlement, retryAfterMs: number): void;
}

/** What a breaker needs to know of a permit that comes back. */
export interface SettledPermit {
  readonly generation: number;
  readonly startedAt: number;
  readonly lease: ProbeLease | undefined;
}

export class CallPermit implements Permit, SettledPermit {
  readonly granted = true;
  readonly generation: number;
  readonly startedAt: number;
  readonly lease: ProbeLease | undefined;
  readonly #issuer: Issuer;
  #settled = false;

  constructor(issuer: Issuer, generation: number, startedAt: number, lease: ProbeLease | undefined) {
    this.#issuer = issuer;
    this.generation = generation;
    this.startedAt = startedAt;
    this.lease = lease;
  }

  get probe(): boolean {
    return this.lease !== undefined;
  }

  wellSoFar(): void {
    if (this.lease !== undefined && !this.#settled) this.#issuer.prove(this);
  }

  success(): void {
    this.#settle('success', 0);
  }

  failure(retryAfterMs = 0): void {
    this.#settle('failure', retryAfterMs);
  }

  throttled(retryAfterMs = 0): void {
    this.#settle('throttled', retryAfterMs);
  }

  ignore(): void {
    this.#settle('ignore', 0);
  }

  [Symbol.dispose](): void {
    this.ignore();
  }

  #settle(result: Settlement, retryAfterMs: number): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#issuer.settle(this, result, retryAfterMs > 0 ? retryAfterMs : 0);
  }
}
