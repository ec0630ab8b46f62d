/**
 * The sliding window of a breaker: successes and failures of the last `windowMs`, in ten buckets. A bucket is addressed by its
 * absolute slot, and slots that were skipped are cleared when the window next moves, so that an old count can never come back
 * after a pause. Constant work a result; no timer.
 */
const BUCKETS = 10;

export class SlidingWindow {
  readonly #slotMs: number;
  readonly #successes = new Uint32Array(BUCKETS);
  readonly #failures = new Uint32Array(BUCKETS);
  #slot = Number.NaN;
  /** Where and until when results go into it: between two slots nothing is divided. */
  #bucket = 0;
  #slotEndsAt = Number.NEGATIVE_INFINITY;
  #successTotal = 0;
  #failureTotal = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / BUCKETS;
  }

  success(now: number): void {
    this.#move(now);
    this.#successes[this.#bucket] = (this.#successes[this.#bucket] ?? 0) + 1;
    this.#successTotal++;
  }

  failure(now: number): void {
    this.#move(now);
    this.#failures[this.#bucket] = (this.#failures[this.#bucket] ?? 0) + 1;
    this.#failureTotal++;
  }

  failures(now: number): number {
    this.#move(now);
    return this.#failureTotal;
  }

  calls(now: number): number {
    this.#move(now);
    return this.#failureTotal + this.#successTotal;
  }

  clear(): void {
    this.#successes.fill(0);
    this.#failures.fill(0);
    this.#successTotal = 0;
    this.#failureTotal = 0;
    this.#slotEndsAt = Number.NEGATIVE_INFINITY;
  }

  #move(now: number): void {
    if (now < this.#slotEndsAt) return;
    const slot = Math.floor(now / this.#slotMs);
    if (!(slot - this.#slot < BUCKETS)) {
      this.clear();
    } else {
      for (let skipped = this.#slot + 1; skipped <= slot; skipped++) {
        const bucket = skipped % BUCKETS;
        this.#successTotal -= this.#successes[bucket] ?? 0;
        this.#failureTotal -= this.#failures[bucket] ?? 0;
        this.#successes[bucket] = 0;
        this.#failures[bucket] = 0;
      }
    }
    this.#slot = slot;
    this.#slotEndsAt = (slot + 1) * this.#slotMs;
    this.#bucket = slot % BUCKETS;
  }
}
