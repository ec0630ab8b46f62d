/** The hub's caches as operators see them. */

/** What is taken out of the cache, as callers name it: within their project. `prefix`: before the keys' first colon, colon included. */
export type CacheTarget =
  | { readonly key: string }
  | { readonly tag: string }
  | { readonly prefix: string }
  | { readonly all: true };

/** Of this instance's memory; counts since its start. */
export interface CacheReport {
  readonly hits: number;
  readonly misses: number;
  readonly shared: number;
  readonly staleServed: number;
  readonly evictions: number;
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
  /** Beneath memory, nearest first. */
  readonly tiers: readonly { readonly name: string; readonly breaker: string }[];
}

export interface CacheControl {
  /**
   * Within the project alone. At once here and in every tier that answers; a tier that is away is not read before it has heard of it, and other instances hear as
   * soon as the bus reaches them.
   */
  invalidate(projectId: string, target: CacheTarget): Promise<void>;
  report(): CacheReport;
}
