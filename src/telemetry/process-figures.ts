/**
 * What the runtime says about this process: event loop, processor, memory, garbage collection. Delays and utilisation are of the last
 * 15 to 30 s, whoever asks and how often: what began anew at each scrape was lost to a scrape that had given up waiting.
 */
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '#core/clock';

export interface ProcessReading {
  readonly loopDelayP99Ms: number;
  readonly loopDelayMaxMs: number;
  /** 0 to 1. */
  readonly loopUtilisation: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly heapLimitBytes: number;
}

/** By the runtime's numbers (perf_hooks, PerformanceNodeEntry.detail.kind). */
const GC_KINDS: ReadonlyMap<number, GcKind> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak'],
]);
const LOOP_RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;
/** As long as Prometheus lets pass between two scrapes in any of the shipped forms. */
const WINDOW_MS = 15_000;

export type GcKind = 'minor' | 'major' | 'incremental' | 'weak';
export const GC_KIND_NAMES: readonly GcKind[] = [...GC_KINDS.values()];

interface LoopReading {
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class ProcessFigures {
  readonly #clock: Clock;
  readonly #gc: PerformanceObserver;
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  #windowBegan: number;
  #before: LoopReading = { p99Ms: 0, maxMs: 0 };
  #busyFrom = performance.eventLoopUtilization();
  #busyBefore = this.#busyFrom;

  /** `onGc` hears of each pause, in seconds, soon after it. */
  constructor(clock: Clock, onGc: (kind: GcKind, seconds: number) => void) {
    this.#clock = clock;
    this.#windowBegan = clock.now();
    this.#loop.enable();
    this.#gc = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const kind = GC_KINDS.get(gcKindOf(entry));
        if (kind !== undefined) onGc(kind, entry.duration / 1000);
      }
    });
    this.#gc.observe({ entryTypes: ['gc'] });
  }

  read(): ProcessReading {
    this.#turn();
    const { rss, heapUsed } = process.memoryUsage();
    const now = this.#window();
    return {
      loopDelayP99Ms: Math.max(now.p99Ms, this.#before.p99Ms),
      loopDelayMaxMs: Math.max(now.maxMs, this.#before.maxMs),
      loopUtilisation: performance.eventLoopUtilization(this.#busyBefore).utilization,
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      heapLimitBytes: getHeapStatistics().heap_size_limit,
    };
  }

  close(): void {
    this.#loop.disable();
    this.#gc.disconnect();
  }

  /** Begins a new window where this one is over. Nobody is woken for it. */
  #turn(): void {
    if (this.#clock.now() - this.#windowBegan < WINDOW_MS) return;
    this.#windowBegan = this.#clock.now();
    this.#before = this.#window();
    this.#busyBefore = this.#busyFrom;
    this.#busyFrom = performance.eventLoopUtilization();
    this.#loop.reset();
  }

  /** The monitor counts its own sampling interval in, and says NaN before its first sample. */
  #window(): LoopReading {
    const msOf = (sampleNs: number): number => Math.max(0, sampleNs / NS_PER_MS - LOOP_RESOLUTION_MS);
    if (this.#loop.count === 0) return { p99Ms: 0, maxMs: 0 };
    return { p99Ms: msOf(this.#loop.percentile(99)), maxMs: msOf(this.#loop.max) };
  }
}

/** Node's types know `detail` on its own entries alone, and a list gives plain ones. */
function gcKindOf(entry: object): number {
  const detail = 'detail' in entry ? entry.detail : null;
  return typeof detail === 'object' && detail !== null && 'kind' in detail ? Number(detail.kind) : 0;
}
