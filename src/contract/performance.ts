/** `/api/performance`: what this instance did in the last minute and since it started. */

export interface Percentiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface PerformanceReport {
  readonly instance: string;
  readonly uptimeSeconds: number;
  readonly window: {
    readonly seconds: number;
    readonly requests: number;
    readonly requestsPerSecond: number;
    /** 5xx and streams that ended in an error, over all; 0 to 1. */
    readonly errorRate: number;
    /** Null where there was no request. */
    readonly hubTime: Percentiles | null;
    readonly totalTime: Percentiles | null;
  };
  readonly totals: { readonly requests: number; readonly errors: number; readonly attempts: number };
  readonly inFlight: number;
  readonly eventLoop: { readonly delayP99Ms: number; readonly utilisation: number };
  readonly memory: { readonly rssBytes: number; readonly heapUsedBytes: number; readonly heapLimitBytes: number };
}
