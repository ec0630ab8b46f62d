/**
 * Latencies of the last minute: one logarithmic histogram a second, sixty of them in a ring. A percentile is right within 5 %
 * (buckets grow by 10 %), memory is fixed, recording is constant work.
 */
import type { Percentiles } from '#contract/performance';

const GROWTH = Math.log(1.1);
const SMALLEST_MS = 0.01;
/** 0.01 ms to about 20 minutes. */
const BUCKETS = 196;
const SLOTS = 60;

export class LatencyWindow {
  readonly #slots = Array.from({ length: SLOTS }, () => new Uint32Array(BUCKETS));
  readonly #seconds = new Float64Array(SLOTS).fill(-1);

  record(valueMs: number, nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const index = second % SLOTS;
    const slot = this.#slots[index];
    if (slot === undefined) return;
    if (this.#seconds[index] !== second) {
      slot.fill(0);
      this.#seconds[index] = second;
    }
    const bucket = Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log(valueMs / SMALLEST_MS) / GROWTH)));
    slot[bucket] = (slot[bucket] ?? 0) + 1;
  }

  /** Null where nothing was recorded in the last minute. */
  percentiles(nowMs: number): Percentiles | null {
    const sum = new Uint32Array(BUCKETS);
    let total = 0;
    const oldest = Math.floor(nowMs / 1000) - SLOTS;
    this.#slots.forEach((slot, index) => {
      if ((this.#seconds[index] ?? -1) <= oldest) return;
      slot.forEach((count, bucket) => {
        sum[bucket] = (sum[bucket] ?? 0) + count;
        total += count;
      });
    });
    if (total === 0) return null;
    const at = (share: number): number => {
      const rank = Math.max(1, Math.ceil(share * total));
      let seen = 0;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        seen += sum[bucket] ?? 0;
        if (seen >= rank) return round(SMALLEST_MS * Math.exp(GROWTH * (bucket - 0.5)));
      }
      return 0;
    };
    return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
  }
}

/** Three digits that matter. */
function round(value: number): number {
  return Number(value.toPrecision(3));
}
