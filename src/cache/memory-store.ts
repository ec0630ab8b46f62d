/**
 * Entries in the memory of this process, the longest unused out first, bounded in bytes. Everything is synchronous: a hit costs one
 * look-up, and its tags are looked at only after an invalidation. An entry larger than the bound of one entry is not kept.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock';
import { Marks } from './marks.ts';
import { EVERYTHING, lifeMs, marksOf } from './tier.ts';
import type { Entry, Invalidation } from './tier.ts';

/** What an entry costs besides its value: key, bookkeeping, the record itself. Measured with 10^6 small entries. */
const ENTRY_COST_BYTES = 512;
/** A parsed value costs about twice its JSON. */
const VALUE_COST = 2;

export interface MemoryOptions {
  /** All entries together, with what they cost besides their values. */
  readonly bytesMax: number;
  /** JSON bytes of one entry. */
  readonly entryBytesMax: number;
}

/** An entry as it lies in memory, with moments of this process's clock. */
export class Kept<Payload> {
  readonly payload: Payload;
  readonly source: Entry<Payload>;
  readonly bornAt: number;
  readonly dieAt: number;
  readonly marks: readonly string[];
  readonly since: number;
  /** The number of the last invalidation that its marks were held against. */
  checked: number;
  freshUntil: number;
  staleUntil: number;
  expired: boolean;

  constructor(key: string, source: Entry<Payload>, since: number, now: number) {
    this.payload = source.payload;
    this.source = source;
    this.bornAt = now - source.ageMs;
    this.dieAt = this.bornAt + lifeMs(source);
    this.marks = marksOf(key, source.tags);
    this.since = since;
    this.checked = since;
    this.expired = false;
    this.freshUntil = this.bornAt + source.ttlMs;
    this.staleUntil = this.freshUntil + source.swrMs;
    if (source.expired) this.expire();
  }

  expire(): void {
    this.expired = true;
    this.freshUntil = Number.NEGATIVE_INFINITY;
    this.staleUntil = Number.NEGATIVE_INFINITY;
  }
}

export class MemoryStore<Payload> {
  readonly #clock: Clock;
  readonly #entries: LRUCache<string, Kept<Payload>>;
  readonly #marks: Marks;
  readonly #entryBytesMax: number;
  evictions = 0;

  constructor(clock: Clock, { bytesMax, entryBytesMax }: MemoryOptions, marks = new Marks()) {
    this.#clock = clock;
    this.#marks = marks;
    this.#entryBytesMax = entryBytesMax;
    this.#entries = new LRUCache({
      max: Math.max(1, Math.floor(bytesMax / ENTRY_COST_BYTES)),
      maxSize: bytesMax,
      dispose: (_kept, _key, reason) => {
        if (reason === 'evict') this.evictions++;
      },
    });
  }

  /** Taken before a value is made or fetched, and given to `store` with it. */
  get number(): number {
    return this.#marks.number;
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(key: string, now: number): Kept<Payload> | undefined {
    const kept = this.#entries.get(key);
    if (kept === undefined) return undefined;
    if (kept.checked !== this.#marks.number) {
      const judgement = this.#marks.judge(kept.marks, kept.since);
      if (judgement === 'gone') {
        this.#entries.delete(key);
        return undefined;
      }
      if (judgement === 'expired') kept.expire();
      kept.checked = this.#marks.number;
    }
    if (now < kept.dieAt) return kept;
    this.#entries.delete(key);
    return undefined;
  }

  /** Null where it is not kept: too large, or invalidated since. */
  store(key: string, entry: Entry<Payload>, since: number): Kept<Payload> | null {
    if (entry.bytes > this.#entryBytesMax || this.judge(marksOf(key, entry.tags), since) === 'gone') {
      this.#entries.delete(key);
      return null;
    }
    const kept = new Kept(key, entry, since, this.#clock.now());
    this.#entries.set(key, kept, { size: ENTRY_COST_BYTES + 2 * key.length + VALUE_COST * entry.bytes });
    return kept;
  }

  judge(marks: readonly string[], since: number): ReturnType<Marks['judge']> {
    return this.#marks.judge(marks, since);
  }

  /** Of a key, only what is stored now; whoever fills it is stopped by its own bookkeeping. */
  invalidate({ name, hard }: Invalidation): void {
    if (name.startsWith('k:')) {
      const key = name.slice(2);
      if (hard) this.#entries.delete(key);
      else this.#entries.peek(key)?.expire();
      return;
    }
    if (name === EVERYTHING && hard) this.#entries.clear();
    this.#marks.invalidate(name, hard);
  }
}
