/**
 * What happens when memory has no fresh answer: the tiers beneath are asked, one instance of all runs the factory, the others wait
 * for its value. A stale copy answers where that is allowed; nothing is stored that an invalidation came after.
 */
import { LRUCache } from 'lru-cache';
import type { Clock, Timer } from '#core/clock';
import { pause } from '#core/clock';
import type { Random } from '#core/random';
import { TimerQueue } from '#resilience/timer-queue';
import { encode } from './codec.ts';
import type { Encoded } from './codec.ts';
import { Context, FactoryTimeoutError, NotModified } from './context.ts';
import type { FactoryContext, Said } from './context.ts';
import type { CacheEvent, CacheStats } from './events.ts';
import type { Flight } from './flight.ts';
import { CacheValueError } from './json.ts';
import { Kept } from './memory-store.ts';
import type { MemoryStore } from './memory-store.ts';
import type { FillOptions, LeaseSettings } from './options.ts';
import { ENTRY_BYTES_MAX, fillOptions } from './options.ts';
import type { Leases, Remote, RemoteAcquired } from './remote.ts';
import { lifeMs } from './tier.ts';
import type { Entry } from './tier.ts';

export type Factory = (context: FactoryContext) => unknown;

const RESTING_MAX = 1_000;
const POLL_MS_FIRST = 10;
const POLL_MS_MAX = 100;

export interface FillDependencies {
  readonly memory: MemoryStore<unknown>;
  readonly remote: Remote;
  readonly clock: Clock;
  readonly random: Random;
  readonly lease: LeaseSettings;
  readonly defaults: FillOptions;
  readonly stats: CacheStats;
  readonly tell: (event: CacheEvent) => void;
  /** What every value goes through on its way out: frozen, or as it is. */
  readonly seal: (value: unknown) => unknown;
}

/** What fills a key found on its way. */
interface Found {
  leases: Leases;
  /** From a tier beneath, where memory may not hold it. */
  stale: Kept<unknown> | undefined;
  readonly beganAt: number;
  /** Runs from when there is a copy that could answer: a look-up that hits needs none. */
  soft: Timer | undefined;
}

export class Filler {
  readonly #its: FillDependencies;
  /** Of the limit of whoever asks for no other. */
  readonly #limits: TimerQueue;
  /** Keys whose factory failed, where a copy from a tier beneath stood in. */
  readonly #resting = new LRUCache<string, { until: number; since: number }>({ max: RESTING_MAX });

  constructor(dependencies: FillDependencies) {
    this.#its = dependencies;
    this.#limits = new TimerQueue(dependencies.clock, dependencies.defaults.hardTimeoutMs);
  }

  /** When no fill is under way any more. */
  close(): void {
    this.#limits.close();
  }

  /** Never rejects: the flight is told. */
  async run(flight: Flight, factory: Factory, early: boolean): Promise<void> {
    const { clock } = this.#its;
    const found: Found = {
      leases: { key: flight.key, held: [] },
      stale: undefined,
      beganAt: clock.now(),
      soft: undefined,
    };
    if (this.#its.memory.find(flight.key, found.beganAt) !== undefined) this.#answerStaleSoon(flight, found);
    let hard: Timer | undefined;
    let stopKeeping = (): void => undefined;
    try {
      if (!(await this.#lookUp(flight, found, early))) return;
      if (flight.aborted) return await this.#its.remote.release(found.leases);
      if (this.#rests(flight) && this.#answerStale(flight, found)) return await this.#its.remote.release(found.leases);
      stopKeeping = this.#its.remote.keep(found.leases);
      const { hardTimeoutMs } = flight.options;
      hard = this.#limit(hardTimeoutMs, () => {
        this.#answerStale(flight, found);
        flight.abort(new FactoryTimeoutError(flight.key, hardTimeoutMs));
      });
      await this.#make(flight, factory, found);
    } catch (error) {
      this.#fail(flight, found, error);
      await this.#its.remote.release(found.leases);
    } finally {
      found.soft?.cancel();
      hard?.cancel();
      stopKeeping();
    }
  }

  #limit(limitMs: number, ring: () => void): Timer {
    return limitMs === this.#limits.limitMs ? this.#limits.add(ring) : this.#its.clock.schedule(limitMs, ring);
  }

  #fail(flight: Flight, found: Found, error: unknown): void {
    // Everybody left, or the cache was closed: that says nothing about the factory.
    if (flight.aborted && !(error instanceof FactoryTimeoutError)) return;
    // What the factory made is a mistake in the program: no copy is to hide it.
    if (error instanceof CacheValueError || !this.#answerStale(flight, found)) flight.fail(error);
    else this.#restFor(flight);
  }

  /** True: the factory is to run, under `found.leases`. */
  async #lookUp(flight: Flight, found: Found, early: boolean): Promise<boolean> {
    const { remote, clock, random, lease, memory } = this.#its;
    if (remote.isEmpty || flight.local) return true;
    const giveUpAt = clock.now() + lease.waitMs;
    const freshShare = early ? flight.options.earlyRefreshFrom : 1;
    for (let pollMs = POLL_MS_FIRST; ; pollMs = Math.min(pollMs * 1.5, POLL_MS_MAX)) {
      if (!flight.answered) flight.since = memory.number;
      const acquired = await remote.acquire({ key: flight.key, tags: flight.tags, freshShare });
      if (acquired.kind === 'hit') {
        flight.resolve(this.#keep(flight, acquired.entry));
        return false;
      }
      this.#takeStale(flight, found, acquired);
      if (acquired.kind === 'leased') {
        found.leases = acquired.leases;
        if (flight.aborted) await remote.release(acquired.leases);
        return !flight.aborted;
      }
      // Somebody else makes it, and nobody waits for it here.
      if (flight.answered) return false;
      if (clock.now() >= giveUpAt) return true;
      const waitMs = pollMs * (0.5 + random.next());
      // Work goes on after it: the process must not end while a caller waits for another one's factory.
      await pause(clock, waitMs);
      if (flight.aborted) return false;
    }
  }

  #takeStale(flight: Flight, found: Found, { stale }: Exclude<RemoteAcquired, { kind: 'hit' }>): void {
    if (stale === undefined) return;
    const source = { ...stale, payload: stale.payload.value };
    found.stale = new Kept<unknown>(flight.key, source, flight.since, this.#its.clock.now(), Number.POSITIVE_INFINITY);
    this.#answerStaleSoon(flight, found);
    this.#keep(flight, stale);
    const whileRefreshed = !stale.expired && stale.ageMs < stale.ttlMs + stale.swrMs;
    if (whileRefreshed) this.#answerStale(flight, found);
  }

  async #make(flight: Flight, factory: Factory, found: Found): Promise<void> {
    const { clock, stats, tell, remote, memory } = this.#its;
    const context = new Context(flight, this.#stale(flight, found));
    const said = Context.said(context);
    const startedAt = clock.now();
    stats.factoryCalls++;
    let value: unknown;
    try {
      value = await flight.whileWanted(() => factory(context));
      this.#resting.delete(flight.key);
      tell({ kind: 'factory', outcome: 'ok', ms: clock.now() - startedAt });
    } catch (error) {
      if (error instanceof NotModified) value = error.value;
      else {
        stats.factoryFailures++;
        tell({ kind: 'factory', outcome: 'failed', ms: clock.now() - startedAt });
        throw error;
      }
    }
    if (!said.stored) {
      flight.over = true;
      flight.resolve(value);
      await remote.release(found.leases);
      return;
    }
    const entry = this.#entryOf(flight, value, said, clock.now() - startedAt);
    flight.over = lifeMs(entry) <= entry.ageMs;
    flight.resolve(this.#keep(flight, entry));
    const undone = memory.judge(flight.key, entry.tags, flight.since) !== 'valid';
    if (entry.bytes > ENTRY_BYTES_MAX) tell({ kind: 'not-stored', reason: `a value of ${entry.bytes} bytes` });
    if (undone) await remote.release(found.leases);
    else await remote.store(found.leases, entry);
  }

  #entryOf(flight: Flight, value: unknown, said: Said, computeMs: number): Entry<Encoded> {
    const { jitter, ttlMs, swrMs, staleOnErrorMs } = fillOptions(flight.options, said.lifetime);
    const drawn = ttlMs * (1 + jitter * (2 * this.#its.random.next() - 1));
    const payload = encode(value);
    return {
      payload,
      bytes: payload.bytes,
      ageMs: said.ageMs,
      computeMs,
      tags: flight.tags,
      expired: false,
      ttlMs: said.ageMs + drawn,
      swrMs,
      staleOnErrorMs,
    };
  }

  #keep(flight: Flight, entry: Entry<Encoded>): unknown {
    const payload = this.#its.seal(entry.payload.value);
    this.#its.memory.store(flight.key, { ...entry, payload }, flight.since);
    return payload;
  }

  /** The copy that may stand in for a factory that fails or is slow. */
  #stale(flight: Flight, found: Found): { value: unknown; ageMs: number } | undefined {
    const { clock, memory } = this.#its;
    const now = clock.now();
    const kept = memory.find(flight.key, now) ?? this.#beneath(flight, found);
    return kept?.mayCover(now) === true ? { value: kept.payload, ageMs: now - kept.bornAt } : undefined;
  }

  /** The copy that memory does not hold, as invalidations have left it. */
  #beneath({ key }: Flight, { stale }: Found): Kept<unknown> | undefined {
    if (stale === undefined) return undefined;
    const judgement = this.#its.memory.judge(key, stale.source.tags, stale.since);
    if (judgement === 'expired') stale.expire();
    return judgement === 'gone' ? undefined : stale;
  }

  #answerStaleSoon(flight: Flight, found: Found): void {
    const { clock } = this.#its;
    const leftMs = found.beganAt + flight.options.softTimeoutMs - clock.now();
    found.soft ??= clock.schedule(leftMs, () => this.#answerStale(flight, found));
  }

  #answerStale(flight: Flight, found: Found): boolean {
    const stale = this.#stale(flight, found);
    if (stale === undefined) return false;
    if (flight.answered) return true;
    this.#its.stats.staleServed++;
    flight.resolve(stale.value);
    return true;
  }

  /** An upstream that is down is not asked again for every call. */
  #restFor(flight: Flight): void {
    const { memory, clock } = this.#its;
    const now = clock.now();
    const until = now + flight.options.retryAfterFailureMs;
    const kept = memory.find(flight.key, now);
    if (kept === undefined) this.#resting.set(flight.key, { until, since: memory.number });
    else kept.rest(until);
  }

  /** Of a copy that memory does not hold; one that it holds passes for fresh meanwhile. */
  #rests({ key, tags }: Flight): boolean {
    const { memory, clock } = this.#its;
    const rest = this.#resting.get(key);
    if (rest === undefined) return false;
    const rests = clock.now() < rest.until && memory.judge(key, tags, rest.since) === 'valid';
    if (!rests) this.#resting.delete(key);
    return rests;
  }
}
