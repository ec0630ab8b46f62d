/** The cache of what is looked up again and again, as rooms see it: one question a key, a copy for an outage, ended by any instance. */

export interface LookupContext {
  /** There is nothing: kept for so long, and never for an outage. */
  negative(ttlMs?: number): void;
}

export interface LookupOptions {
  /** Kept in this process alone; an invalidation by any instance ends it all the same. */
  readonly local: boolean;
  /** Milliseconds. */
  readonly ttlMs: number;
  /** After that, for a question that fails. Milliseconds. */
  readonly staleOnErrorMs: number;
}

export interface LookupCache {
  /** Rejects with what `look` throws, where no copy may stand in. */
  getOrSet<T>(key: string, look: (context: LookupContext) => T | Promise<T>, options: LookupOptions): Promise<T>;
  /** The fresh value in this process's memory, or `undefined`. */
  peek(key: string): unknown;
  /** In every instance: at once here and where the bus is up, else when the value's time is over. */
  delete(key: string): Promise<void>;
}

/** The cache of lists: what a change makes wrong is ended by its tag. */
export interface ListCache {
  /** Rejects with what `read` throws, where no copy may stand in. */
  getOrSet<T>(
    key: string,
    read: () => Promise<T>,
    options: LookupOptions & { readonly tags: readonly string[] },
  ): Promise<T>;
  /** As `LookupCache.delete`, of all that was kept under the tag. */
  deleteTag(tag: string): Promise<void>;
}
