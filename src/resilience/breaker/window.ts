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
  #successTotal = 0;
  #failureTotal = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / BUCKETS;
  }

  success(now: number): void {
    this.#move(now);
    const bucket = this.#slot % BUCKETS;
    this.#successes[bucket] = (this.#successes[bucket] ?? 0) + 1;
    this.#successTotal++;
  }

  failure(now: number): void {
    this.#move(now);
    const bucket = this.#slot % BUCKETS;
    this.#failures[bucket] = (this.#failures[bucket] ?? 0) + 1;
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
    this.#slot = Number.NaN;
  }

  #move(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    if (slot === this.#slot) return;
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
  }
}
