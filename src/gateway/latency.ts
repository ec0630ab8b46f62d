/**
 * How long a deployment has taken of late: an average that jumps up with a slow answer and comes down slowly, and that fades while the
 * deployment is not asked, so that one bad minute does not keep it out for ever ("peak EWMA", as in Finagle's load balancer).
 */

/** After this long an answer counts for a third (1/e). */
const DECAY_MS = 10_000;

export class Latency {
  #ms = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** `tookMs` of an answer that came at `now` on the clock. */
  record(tookMs: number, now: number): void {
    const kept = Math.exp((this.#at - now) / DECAY_MS);
    this.#ms = tookMs > this.#ms ? tookMs : this.#ms * kept + tookMs * (1 - kept);
    this.#at = now;
  }

  /** Milliseconds; 0 for a deployment of which nothing is known, so that it is tried. */
  expectedMs(now: number): number {
    return this.#ms * Math.exp((this.#at - now) / DECAY_MS);
  }
}
