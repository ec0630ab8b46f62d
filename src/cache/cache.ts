/**
 * The cache as its callers see it. A fresh value in memory is answered synchronously behind one promise; everything else goes
 * through a flight that all callers of a key share. Every promise it gives settles, whatever the tiers beneath do.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import { Slots } from '#core/slots';
import { encode } from './codec.ts';
import type { CacheStats } from './events.ts';
import { Filler } from './fill.ts';
import type { FillDependencies } from './fill.ts';
import { Flight } from './flight.ts';
import type { FactoryContext } from './context.ts';
import { createHttpCache } from './http.ts';
import type { HttpCache, HttpOptions } from './http.ts';
import { checkKey, checkTags, storedKey } from './key.ts';
import type { Kept, MemoryStore } from './memory-store.ts';
import { fillOptions } from './options.ts';
import type { CallOptions } from './options.ts';
import type { Remote } from './remote.ts';
import { EVERYTHING, nameOfKey, nameOfPrefix, nameOfTag } from './tier.ts';
import type { Invalidation } from './tier.ts';

export class CacheClosedError extends Error {
  override readonly name = 'CacheClosedError';

  constructor() {
    super('The cache is closed');
  }
}

export interface CacheParts extends FillDependencies {
  readonly memory: MemoryStore<unknown>;
  readonly remote: Remote;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: CacheStats;
  /** Ends what stands beneath. */
  readonly end: () => Promise<void>;
}

export class Cache {
  readonly #parts: CacheParts;
  readonly #memory: MemoryStore<unknown>;
  readonly #clock: Clock;
  readonly #stats: CacheStats;
  readonly #filler: Filler;
  /** In berths that are emptied when they are left: a table of the map that has grown old keeps what was in it (see core/slots). */
  readonly #flights = new Map<string, { flight: Flight | null }>();
  /** Factories see none of the first caller's async context: the value is everybody's. */
  readonly #clean = AsyncLocalStorage.snapshot();
  /** What a flight does after it answered, too: storing its value. */
  readonly #running = new Slots<Promise<void>>();
  #closed = false;

  constructor(parts: CacheParts) {
    this.#parts = parts;
    this.#memory = parts.memory;
    this.#clock = parts.clock;
    this.#stats = parts.stats;
    this.#filler = new Filler(parts);
  }

  /** A fresh value of this process's memory, or `undefined`. Asks no tier, runs nothing. */
  peek(key: string): unknown {
    const now = this.#clock.now();
    const kept = this.#memory.find(storedKey(key), now);
    if (kept === undefined || now >= kept.freshUntil) return undefined;
    this.#stats.hits++;
    return kept.payload;
  }

  /**
   * Of this process's copy of the key, fresh or not, in milliseconds: how old it is, and for how long it is fresh yet (negative: since when
   * it is not); `undefined` where there is no copy. Of a value that memory does not keep, too, for who has just been given it.
   */
  life(key: string): { readonly ageMs: number; readonly ttlMs: number } | undefined {
    return this.#memory.life(storedKey(key), this.#clock.now());
  }

  /**
   * The value of the key, from memory, a tier beneath, or the factory: one call of it for all callers of all instances. Rejects with
   * what the factory threw, a `FactoryTimeoutError`, a `CacheValueError`, or the reason of the caller's own signal.
   */
  getOrSet<T>(key: string, factory: (context: FactoryContext) => T | Promise<T>, options?: CallOptions): Promise<T> {
    const stored = storedKey(key);
    const now = this.#clock.now();
    const kept = this.#memory.find(stored, now);
    if (kept === undefined || now >= kept.staleUntil) return this.#fly(stored, factory, options) as Promise<T>;
    if (now >= kept.freshUntil) {
      this.#stats.staleServed++;
      this.#refresh(stored, factory, options, false);
    } else {
      this.#stats.hits++;
      if (this.#isDueEarly(kept, now, options)) this.#refresh(stored, factory, options, true);
    }
    return (kept.answer ??= Promise.resolve(kept.payload)) as Promise<T>;
  }

  /** The fresh value of the key from any tier, or `undefined`. */
  async get(key: string): Promise<unknown> {
    const stored = storedKey(key);
    const now = this.#clock.now();
    const kept = this.#memory.find(stored, now);
    if (kept !== undefined && now < kept.freshUntil) {
      this.#stats.hits++;
      return kept.payload;
    }
    this.#stats.misses++;
    const since = this.#memory.number;
    const ask = { key: checkKey(stored), tags: [], freshShare: 1 };
    const acquired = await this.#parts.remote.acquire(ask, 0);
    if (acquired.kind !== 'hit') return undefined;
    const value = this.#parts.seal(acquired.entry.payload.value);
    this.#memory.store(stored, { ...acquired.entry, payload: value }, since);
    return value;
  }

  /** Stores a value in every tier, or in memory alone where it is `local`. Throws a `CacheValueError` where JSON would change it. */
  async set(key: string, value: unknown, options: Omit<CallOptions, 'signal'> = {}): Promise<void> {
    const stored = checkKey(storedKey(key));
    const { ttlMs, swrMs, staleOnErrorMs, jitter } = fillOptions(this.#parts.defaults, options);
    const payload = encode(value);
    const drawn = ttlMs * (1 + jitter * (2 * this.#parts.random.next() - 1));
    const lifetime = { ttlMs: drawn, swrMs, staleOnErrorMs };
    const tags = checkTags(options.tags);
    const entry = { ...lifetime, payload, bytes: payload.bytes, ageMs: 0, computeMs: 0, tags, expired: false };
    const keep = (): number => {
      this.#memory.invalidate({ name: nameOfKey(key), hard: true });
      const since = this.#memory.number;
      this.#memory.store(stored, { ...entry, payload: this.#parts.seal(value) }, since);
      return since;
    };
    const since = keep();
    if (this.#parts.remote.isEmpty || options.local === true) return;
    await this.#parts.remote.set(stored, entry);
    // Somebody may have read the old value from a tier meanwhile. If nobody wrote or deleted since, this value stands.
    if (this.#memory.judge(stored, tags, since) === 'valid') keep();
  }

  /** The value is no longer right; a copy is left for the case that the factory fails. */
  expire(...keys: string[]): Promise<void> {
    return this.#invalidate(keys.map((key) => ({ name: nameOfKey(key), hard: false })));
  }

  /** Leaves nothing, in any tier, nor lets a factory store what it began to make before. */
  delete(...keys: string[]): Promise<void> {
    return this.#invalidate(keys.map((key) => ({ name: nameOfKey(key), hard: true })));
  }

  expireTag(...tags: string[]): Promise<void> {
    return this.#invalidate(tags.map((tag) => ({ name: nameOfTag(tag), hard: false })));
  }

  deleteTag(...tags: string[]): Promise<void> {
    return this.#invalidate(tags.map((tag) => ({ name: nameOfTag(tag), hard: true })));
  }

  /** `prefix` is what stands before the keys' first colon, colon included: `users:`. */
  deletePrefix(prefix: string): Promise<void> {
    return this.#invalidate([{ name: nameOfPrefix(prefix), hard: true }]);
  }

  /** Everything of this namespace. */
  clear(): Promise<void> {
    return this.#invalidate([{ name: EVERYTHING, hard: true }]);
  }

  /** A cache of HTTP answers, kept here under `http:`: ETag, 304, Cache-Control, Age, Cache-Status. */
  http(options: HttpOptions = {}): HttpCache {
    return createHttpCache(this, options, this.#parts);
  }

  stats(): Readonly<CacheStats> & { readonly entries: number; readonly bytes: number; readonly evictions: number } {
    const { size: entries, bytes, evictions } = this.#memory;
    return { ...this.#stats, entries, bytes, evictions };
  }

  /**
   * Ends what is under way: its callers get a `CacheClosedError`. What was answered is stored before the tiers are closed, each
   * within its deadline. An invalidation that still waits for a tier is lost with the process. May be called again.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { flight } of this.#flights.values()) flight?.abort(new CacheClosedError());
    await Promise.all(this.#running);
    this.#filler.close();
    await this.#parts.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Memory first, so that the caller sees it at once; and last, because a tier may have given the old value away meanwhile. */
  async #invalidate(invalidations: readonly Invalidation[]): Promise<void> {
    if (invalidations.length === 0) return;
    for (const each of invalidations) this.#memory.invalidate(each);
    if (this.#parts.remote.isEmpty) return;
    await this.#parts.remote.invalidate(invalidations);
    for (const each of invalidations) this.#memory.invalidate(each);
  }

  #fly(key: string, factory: (context: FactoryContext) => unknown, options: CallOptions | undefined): Promise<unknown> {
    if (this.#closed) return Promise.reject(new CacheClosedError());
    // Who has left already waits for nothing: what is begun for him alone, nobody could stop.
    if (options?.signal?.aborted === true) return Promise.reject(options.signal.reason);
    this.#stats.misses++;
    const under = this.#underWay(key);
    if (under === undefined)
      return this.#begin(key, factory, options, { background: false, early: false }).join(options);
    this.#stats.shared++;
    const answer = under.join(options);
    if (this.#memory.number === under.since) return answer;
    // The factory may yet name a tag that was invalidated after it began and before this caller came. What is invalidated later is not for him.
    const known = under.tags;
    return answer.then((value) => {
      const stands = under.tags === known || this.#memory.judge(key, under.tags, under.since) === 'valid';
      return stands ? value : this.getOrSet(key, factory, options);
    });
  }

  #refresh(
    key: string,
    factory: (context: FactoryContext) => unknown,
    options: CallOptions | undefined,
    early: boolean,
  ): void {
    if (this.#closed || this.#underWay(key) !== undefined) return;
    if (early) this.#stats.earlyRefreshes++;
    this.#begin(key, factory, options, { background: true, early });
  }

  /** A flight that still may answer: not left by all, and begun after every invalidation that touches it. */
  #underWay(key: string): Flight | undefined {
    const flight = this.#flights.get(key)?.flight;
    if (!flight || flight.aborted || flight.over) return undefined;
    return this.#memory.judge(key, flight.tags, flight.since) === 'valid' ? flight : undefined;
  }

  #begin(
    key: string,
    factory: (context: FactoryContext) => unknown,
    options: CallOptions | undefined,
    how: { background: boolean; early: boolean },
  ): Flight {
    const flight = new Flight(checkKey(key), {
      options: fillOptions(this.#parts.defaults, options),
      local: options?.local ?? false,
      tags: checkTags(options?.tags),
      since: this.#memory.number,
      background: how.background,
    });
    const berth: { flight: Flight | null } = { flight };
    this.#flights.set(key, berth);
    const running = this.#clean(() => this.#filler.run(flight, factory, how.early));
    const place = this.#running.add(running);
    void running.then(() => {
      this.#running.leave(place);
      if (this.#flights.get(key) === berth) this.#flights.delete(key);
      berth.flight = null;
    });
    return flight;
  }

  /** XFetch (Vattani et al., 2015): the nearer its end and the longer it took to make, the likelier. */
  #isDueEarly(kept: Kept<unknown>, now: number, options: CallOptions | undefined): boolean {
    const from = options?.earlyRefreshFrom ?? this.#parts.defaults.earlyRefreshFrom;
    const { ttlMs, computeMs } = kept.source;
    if (now - kept.bornAt < from * ttlMs || kept.hasEnded(now)) return false;
    return now - computeMs * Math.log(1 - this.#parts.random.next()) >= kept.bornAt + ttlMs;
  }
}
