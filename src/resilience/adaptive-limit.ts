/**
 * A bound on calls at the same time that finds itself: it grows while answers come as fast as they can, and shrinks when they slow
 * down, which is when more at once only makes everyone wait. The gradient is Netflix's (https://github.com/Netflix/concurrency-limits);
 * what "as fast as they can" means is measured anew now and then at half the load, as TCP BBR does, because an average would follow a
 * queue that grows slowly. A call that timed out or was throttled cuts the limit at once.
 */

export interface AdaptiveLimitOptions {
  /** Default 20. */
  readonly initial?: number;
  /** From 1. Default 1. */
  readonly min?: number;
  /** Default 1000. */
  readonly max?: number;
  /** How many times slower than at its fastest counts as no slower, from 1. Default 1.5. */
  readonly tolerance?: number;
}

/** Share of a new limit in the next one: one odd window moves little. */
const SMOOTHING = 0.2;
/** Answers that are looked at together, at least. */
const WINDOW_MIN = 20;
/** Windows between two measurements at half the load. */
const PROBE_EVERY = 50;
const CUT = 0.9;

export class AdaptiveLimit {
  readonly #min: number;
  readonly #max: number;
  readonly #tolerance: number;
  #limit: number;
  #running = 0;
  /** Mean time of a window in which nobody waited. */
  #baseMs = Number.POSITIVE_INFINITY;
  #probing = false;
  #windows = 0;
  #answers = 0;
  #sumMs = 0;
  #busiest = 0;
  /** Answers to calls that began before the load was halved. */
  #stale = 0;

  constructor({ initial = 20, min = 1, max = 1_000, tolerance = 1.5 }: AdaptiveLimitOptions = {}) {
    if (!(min >= 1 && initial >= min && max >= initial))
      throw new RangeError(`1 ≤ min ≤ initial ≤ max does not hold for ${min}, ${initial}, ${max}`);
    if (!(tolerance >= 1)) throw new RangeError(`tolerance is 1 or more, not ${tolerance}`);
    this.#min = min;
    this.#max = max;
    this.#tolerance = tolerance;
    this.#limit = initial;
  }

  get limit(): number {
    return Math.floor(this.#probing ? Math.max(this.#min, this.#limit / 2) : this.#limit);
  }

  get running(): number {
    return this.#running;
  }

  tryEnter(): boolean {
    if (this.#running >= this.limit) return false;
    this.#running++;
    return true;
  }

  /** The call answered after `tookMs`. */
  answered(tookMs: number): void {
    this.#busiest = Math.max(this.#busiest, this.#running--);
    if (this.#stale > 0) {
      this.#stale--;
      return;
    }
    this.#sumMs += tookMs;
    if (++this.#answers >= Math.max(WINDOW_MIN, this.limit)) this.#endWindow(this.#sumMs / this.#answers);
  }

  /** The call timed out, or the upstream asked for quiet. */
  overloaded(): void {
    this.#running--;
    this.#set(this.#limit * CUT);
  }

  /** The call said nothing about how much the upstream can take. */
  ignored(): void {
    this.#running--;
  }

  #endWindow(meanMs: number): void {
    // A limit that is not nearly reached says nothing about what lies above it.
    const reached = this.#busiest * 2 >= this.limit;
    this.#baseMs = this.#probing ? meanMs : Math.min(this.#baseMs, meanMs);
    if (reached && !this.#probing) {
      const gradient = Math.min(1, Math.max(0.5, (this.#baseMs * this.#tolerance) / Math.max(meanMs, Number.EPSILON)));
      const wanted = this.#limit * gradient + Math.sqrt(this.#limit);
      this.#set(this.#limit * (1 - SMOOTHING) + wanted * SMOOTHING);
    }
    this.#probing = reached && ++this.#windows % PROBE_EVERY === 0;
    this.#stale = this.#probing ? this.#running : 0;
    this.#answers = 0;
    this.#sumMs = 0;
    this.#busiest = 0;
  }

  #set(limit: number): void {
    this.#limit = Math.min(this.#max, Math.max(this.#min, limit));
  }
}
