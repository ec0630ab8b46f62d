/** Leave to make one call: given by a breaker, settled once, whatever its holder does. */
export type Settlement = 'success' | 'failure' | 'throttled' | 'ignore';

/** Leave to make one call. Settle it exactly once; the first settlement counts, later ones do nothing. */
export interface Permit {
  readonly granted: true;
  readonly probe: boolean;
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
  settle(permit: SettledPermit, result: Settlement, retryAfterMs: number): void;
}

/** What a breaker needs to know of a permit that comes back. */
export interface SettledPermit {
  readonly generation: number;
  readonly startedAt: number;
  readonly lease: { readonly expires: number } | undefined;
}

export class CallPermit implements Permit, SettledPermit {
  readonly granted = true;
  readonly generation: number;
  readonly startedAt: number;
  readonly lease: { readonly expires: number } | undefined;
  readonly #issuer: Issuer;
  #settled = false;

  constructor(issuer: Issuer, generation: number, startedAt: number, lease: { readonly expires: number } | undefined) {
    this.#issuer = issuer;
    this.generation = generation;
    this.startedAt = startedAt;
    this.lease = lease;
  }

  get probe(): boolean {
    return this.lease !== undefined;
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
    this.#issuer.settle(this, result, retryAfterMs);
  }
}
