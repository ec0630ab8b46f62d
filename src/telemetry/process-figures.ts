/**
 * What the runtime says about this process: event loop, processor, memory, garbage collection. Delay and utilisation are since the
 * last `read`.
 */
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

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

export type GcKind = 'minor' | 'major' | 'incremental' | 'weak';
export const GC_KIND_NAMES: readonly GcKind[] = [...GC_KINDS.values()];

export class ProcessFigures {
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  #utilisation = performance.eventLoopUtilization();

  readonly #gc: PerformanceObserver;

  /** `onGc` hears of each pause, in seconds, soon after it. */
  constructor(onGc: (kind: GcKind, seconds: number) => void) {
    this.#loop.enable();
    this.#gc = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const kind = GC_KINDS.get(gcKindOf(entry));
        if (kind !== undefined) onGc(kind, entry.duration / 1000);
      }
    });
    this.#gc.observe({ entryTypes: ['gc'] });
  }

  look(): ProcessReading {
    const { rss, heapUsed } = process.memoryUsage();
    return {
      loopDelayP99Ms: this.#loopDelayMs(this.#loop.percentile(99)),
      loopDelayMaxMs: this.#loopDelayMs(this.#loop.max),
      loopUtilisation: performance.eventLoopUtilization(this.#utilisation).utilization,
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      heapLimitBytes: getHeapStatistics().heap_size_limit,
    };
  }

  /** Looks, and begins anew. */
  read(): ProcessReading {
    const reading = this.look();
    this.#utilisation = performance.eventLoopUtilization();
    this.#loop.reset();
    return reading;
  }

  close(): void {
    this.#loop.disable();
    this.#gc.disconnect();
  }

  /** The monitor counts its own sampling interval in. NaN before its first sample. */
  #loopDelayMs(sampleNs: number): number {
    const delay = sampleNs / NS_PER_MS - LOOP_RESOLUTION_MS;
    return this.#loop.count > 0 && Number.isFinite(delay) ? Math.max(0, delay) : 0;
  }
}

/** Node's types know `detail` on its own entries alone, and a list gives plain ones. */
function gcKindOf(entry: object): number {
  const detail = 'detail' in entry ? entry.detail : null;
  return typeof detail === 'object' && detail !== null && 'kind' in detail ? Number(detail.kind) : 0;
}
