/** What a cache tells about itself: counters that cost a hit nothing, and events for what is rare or takes time. */

export type CacheEvent =
  /** One operation on a tier beneath memory. `refused`: its breaker was open, or too much was in flight. */
  | {
      readonly kind: 'operation';
      readonly tier: string;
      readonly operation: string;
      readonly outcome: 'ok' | 'failed' | 'timeout' | 'refused';
      readonly ms: number;
    }
  /** What a tier that answered had of a key: a fresh value, one past its time, or none; its bytes as they lie there. */
  | {
      readonly kind: 'lookup';
      readonly tier: string;
      readonly result: 'hit' | 'stale' | 'miss';
      readonly bytes: number;
    }
  /** A tier took a value of so many bytes, as they lie there. */
  | { readonly kind: 'stored'; readonly tier: string; readonly bytes: number }
  | { readonly kind: 'factory'; readonly outcome: 'ok' | 'failed'; readonly ms: number }
  | { readonly kind: 'tier-opened' | 'tier-closed'; readonly tier: string; readonly reason: string }
  /** Announcements were missed: `replayed` of them were made good, or memory was marked stale. */
  | { readonly kind: 'bus-gap'; readonly replayed: number | 'marked stale' }
  /** A tier did not take an invalidation: it is not read until it has. `overflowed`: it will be cleared as a whole. */
  | { readonly kind: 'outbox'; readonly tier: string; readonly waiting: number; readonly overflowed: boolean }
  /** A value was larger than any tier takes. */
  | { readonly kind: 'not-stored'; readonly reason: string };

export interface CacheStats {
  /** Answers out of memory that were fresh. */
  hits: number;
  /** Calls that had to go beneath memory, or run the factory. */
  misses: number;
  /** Answers that were past their `ttlMs`. */
  staleServed: number;
  /** Callers that shared a factory call or a look-up that another had begun. */
  shared: number;
  factoryCalls: number;
  factoryFailures: number;
  /** Refreshes begun before the value had ended. */
  earlyRefreshes: number;
  /** Announcements that were missed, by occasion. */
  busGaps: number;
  /** What `onEvent` threw. */
  listenerFailures: number;
}

export function newStats(): CacheStats {
  return {
    hits: 0,
    misses: 0,
    staleServed: 0,
    shared: 0,
    factoryCalls: 0,
    factoryFailures: 0,
    earlyRefreshes: 0,
    busGaps: 0,
    listenerFailures: 0,
  };
}
