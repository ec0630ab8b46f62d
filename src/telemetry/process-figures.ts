/** What the runtime says about this process: event loop, processor, memory. Delay and utilisation are since the last `read`. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

export interface ProcessReading {
  readonly loopDelayP99Ms: number;
  /** 0 to 1. */
  readonly loopUtilisation: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly heapLimitBytes: number;
}

const LOOP_RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

export class ProcessFigures {
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  #utilisation = performance.eventLoopUtilization();

  constructor() {
    this.#loop.enable();
  }

  look(): ProcessReading {
    const { rss, heapUsed } = process.memoryUsage();
    return {
      loopDelayP99Ms: this.#loopDelayMs(),
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
  }

  /** The monitor counts its own sampling interval in. NaN before its first sample. */
  #loopDelayMs(): number {
    const delay = this.#loop.percentile(99) / NS_PER_MS - LOOP_RESOLUTION_MS;
    return Number.isFinite(delay) ? Math.max(0, delay) : 0;
  }
}
