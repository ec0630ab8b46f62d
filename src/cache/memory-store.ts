/**
 * Entries in the memory of this process, the longest unused out first, bounded in bytes. Everything is synchronous: a hit costs one
 * look-up, and its tags are looked at only after an invalidation. An entry larger than the bound of one entry is not kept.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock';
import { heapBytes } from '#core/heap-bytes';
import { Marks } from './marks.ts';
import type { Judgement } from './marks.ts';
import { EVERYTHING, lifeMs, marksOf } from './tier.ts';
import type { Entry, Invalidation } from './tier.ts';

/** What an entry costs besides its value: key, bookkeeping, the record itself. Measured with 10^6 small entries. */
const ENTRY_COST_BYTES = 512;
/** A tag is held as it was given and as the mark that it is judged by. Measured with 10^6 of them. */
const TAG_COST_BYTES = 96;
/** Of what is not kept here, told again to who has just been given it. */
const PASSED_MAX = 1_000;

export interface MemoryOptions {
  /** All entries together, with what they cost besides their values. */
  readonly bytesMax: number;
  /** JSON bytes of one entry. */
  readonly entryBytesMax: number;
  /** What came from elsewhere is good for so long, at the latest. Without it, for its own time. 0: nothing is kept. */
  readonly ttlMs?: number;
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
  /** Until then it may be served while it is refreshed. */
  staleUntil: number;
  /** Until then it may stand in for a factory that fails or is slow. */
  readonly coverUntil: number;
  expired: boolean;
  /** Made at the first hit: every later one gives the same promise. */
  answer: Promise<Payload> | undefined;

  constructor(key: string, source: Entry<Payload>, since: number, now: number, ttlMs: number) {
    this.payload = source.payload;
    this.source = source;
    this.bornAt = now - source.ageMs;
    this.dieAt = this.bornAt + lifeMs(source);
    this.marks = marksOf(key, source.tags);
    this.since = since;
    this.checked = since;
    this.expired = false;
    const end = this.bornAt + source.ttlMs;
    this.freshUntil = Math.min(end, now + ttlMs);
    this.staleUntil = Math.min(end + source.swrMs, now + ttlMs);
    this.coverUntil = end + source.staleOnErrorMs;
    this.answer = undefined;
    if (source.expired) this.expire();
  }

  /** Whether it passed its own end; memory may have to ask the tiers beneath before that. */
  hasEnded(now: number): boolean {
    return this.expired || now >= this.bornAt + this.source.ttlMs;
  }

  mayCover(now: number): boolean {
    return now < this.staleUntil || (now < this.coverUntil && !forbidsCover(this.source, this.expired));
  }

  /** The factory failed: this copy passes for fresh, so that a sick upstream is left alone until then. */
  rest(until: number): void {
    this.freshUntil = Math.min(until, this.dieAt);
    this.staleUntil = this.freshUntil;
  }

  expire(): void {
    this.expired = true;
    this.freshUntil = Number.NEGATIVE_INFINITY;
    this.staleUntil = Number.NEGATIVE_INFINITY;
  }
}

/** Expired by hand, and never to be served where the factory fails. */
function forbidsCover({ staleOnErrorMs }: Entry<unknown>, expired: boolean): boolean {
  return expired && staleOnErrorMs === 0;
}

export class MemoryStore<Payload> {
  readonly #clock: Clock;
  readonly #entries: LRUCache<string, Kept<Payload>>;
  readonly #marks: Marks;
  /** Keys are asked for only when a value is stored: what lies here was removed with its invalidation. */
  readonly #keys = new Marks();
  /** Of the last invalidation. Taken before a value is made or fetched, and given to `store` with it. */
  number = 0;
  readonly #entryBytesMax: number;
  readonly #ttlMs: number;
  /** Entries that are too large for here, or of which none is kept: their age, when they passed. */
  readonly #passed = new LRUCache<string, { bornAt: number; ttlMs: number }>({ max: PASSED_MAX });
  evictions = 0;

  constructor(clock: Clock, { bytesMax, entryBytesMax, ttlMs = Infinity }: MemoryOptions, marks = new Marks()) {
    this.#ttlMs = ttlMs;
    this.#clock = clock;
    this.#marks = marks;
    this.#entryBytesMax = entryBytesMax;
    // Bounded by size alone, in which each entry has its cost: with a bound on their number it makes room for all of them at once.
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      dispose: (_kept, _key, reason) => {
        if (reason === 'evict') this.evictions++;
      },
    });
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
    if (kept.checked < this.#marks.last) {
      const judgement = this.#marks.judge(kept.marks, kept.since);
      if (judgement === 'gone') {
        this.#entries.delete(key);
        return undefined;
      }
      if (judgement === 'expired') kept.expire();
      kept.checked = this.#marks.last;
    }
    if (now < kept.dieAt) return kept;
    this.#entries.delete(key);
    return undefined;
  }

  /** How old it is and how long it is fresh yet, in milliseconds: of what is kept, or passed by on its way to its callers. */
  life(key: string, now: number): { ageMs: number; ttlMs: number } | undefined {
    const kept = this.find(key, now);
    const known = kept === undefined ? this.#passed.get(key) : { bornAt: kept.bornAt, ttlMs: kept.source.ttlMs };
    if (known === undefined) return undefined;
    const ageMs = now - known.bornAt;
    return { ageMs, ttlMs: known.ttlMs - ageMs };
  }

  /** Null where it is not kept: too large, or invalidated since. */
  store(key: string, entry: Entry<Payload>, since: number): Kept<Payload> | null {
    if (this.judge(key, entry.tags, since) !== 'valid') return null;
    const kept = new Kept(key, entry, since, this.#clock.now(), this.#ttlMs);
    let size = ENTRY_COST_BYTES + 2 * key.length + heapBytes(entry.payload, entry.bytes);
    for (const tag of entry.tags) size += TAG_COST_BYTES + 2 * tag.length;
    if (this.#ttlMs === 0 || entry.bytes > this.#entryBytesMax || size > this.#entries.maxSize) {
      this.#entries.delete(key);
      this.#passed.set(key, { bornAt: kept.bornAt, ttlMs: entry.ttlMs });
      return null;
    }
    this.#entries.set(key, kept, { size });
    return kept;
  }

  /** What became of a value of this key whose making began at `since`. */
  judge(key: string, tags: readonly string[], since: number): Judgement {
    if (since === this.number) return 'valid';
    const judgement = this.#keys.judge([`k:${key}`], since);
    return judgement === 'gone' ? judgement : worse(judgement, this.#marks.judge(marksOf(key, tags), since));
  }

  invalidate({ name, hard }: Invalidation): void {
    const number = ++this.number;
    if (name.startsWith('k:')) {
      this.#keys.invalidate(name, hard, number);
      const key = name.slice(2);
      if (hard) this.#entries.delete(key);
      else this.#entries.peek(key)?.expire();
      return;
    }
    if (name === EVERYTHING && hard) this.#entries.clear();
    this.#marks.invalidate(name, hard, number);
  }
}

function worse(one: Judgement, other: Judgement): Judgement {
  return other === 'valid' ? one : other;
}
