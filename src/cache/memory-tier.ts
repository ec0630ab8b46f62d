/**
 * A tier in the memory of this process, for several caches that are to share: in tests and simulations the shape of Redis without
 * Redis. It keeps leases, numbers its invalidations and replays the last of them, and loses nothing but with its process.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock';
import { MemoryStore } from './memory-store.ts';
import type { Kept, MemoryOptions } from './memory-store.ts';
import type { Acquired, AcquireRequest, Announcement, Entry, Invalidation, Position, Ticket, Tier } from './tier.ts';

const LEASES_MAX = 10_000;
const REPLAY_MAX = 1_000;
/** Without a random epoch: what it numbers ends with it. */
const EPOCH = 'process';

interface Lease {
  readonly token: string;
  readonly since: number;
  readonly until: number;
}

export class MemoryTier implements Tier {
  readonly name: string = 'shared-memory';
  readonly limits = { readMs: 40, writeMs: 100, inFlightMax: 512 };
  readonly #clock: Clock;
  readonly #store: MemoryStore<Uint8Array>;
  readonly #leases = new LRUCache<string, Lease>({ max: LEASES_MAX });
  readonly #listeners = new Set<(position: Position, announcement: Announcement) => void>();
  readonly #announced: Announcement[] = [];
  #number = 0;

  constructor(clock: Clock, options: MemoryOptions) {
    this.#clock = clock;
    this.#store = new MemoryStore(clock, options);
  }

  acquire({ key, tags, token, leaseMs, freshShare }: AcquireRequest): Acquired<Uint8Array> {
    const now = this.#clock.now();
    const kept = this.#store.find(key, now);
    const stale = kept && entryAt(kept, now);
    const fresh = kept !== undefined && now < kept.freshUntil;
    if (fresh && stale !== undefined && stale.ageMs <= freshShare * stale.ttlMs) return { kind: 'hit', entry: stale };
    const lease = this.#lease(key, now);
    const held = lease !== undefined && this.#store.judge(key, tags, lease.since) === 'valid';
    if (held || leaseMs === 0) {
      return fresh && stale !== undefined ? { kind: 'hit', entry: stale } : { kind: 'missed', stale };
    }
    const since = this.#store.number;
    this.#leases.set(key, { token, since, until: now + leaseMs });
    return { kind: 'leased', ticket: { token, stamp: String(since) }, stale };
  }

  put(key: string, entry: Entry<Uint8Array>, { token, stamp }: Ticket): boolean {
    if (this.#lease(key, this.#clock.now())?.token !== token) return false;
    this.#leases.delete(key);
    return this.#store.store(key, entry, Number(stamp)) !== null;
  }

  renew(key: string, token: string, leaseMs: number): boolean {
    const now = this.#clock.now();
    const lease = this.#lease(key, now);
    if (lease?.token !== token) return false;
    this.#leases.set(key, { ...lease, until: now + leaseMs });
    return true;
  }

  release(key: string, token: string): void {
    if (this.#leases.get(key)?.token === token) this.#leases.delete(key);
  }

  set(key: string, entry: Entry<Uint8Array>, origin: string): void {
    this.#leases.delete(key);
    const invalidation = { name: `k:${key}`, hard: true };
    this.#store.invalidate(invalidation);
    this.#store.store(key, entry, this.#store.number);
    this.#announce(invalidation, origin);
  }

  invalidate(invalidations: readonly Invalidation[], origin: string): void {
    for (const each of invalidations) {
      this.#store.invalidate(each);
      if (each.name.startsWith('k:')) this.#leases.delete(each.name.slice(2));
      this.#announce(each, origin);
    }
  }

  position(): Position {
    return { epoch: EPOCH, number: this.#number };
  }

  since({ epoch, number }: Position): { position: Position; announcements: readonly Announcement[] } | undefined {
    const first = this.#announced[0]?.number ?? this.#number + 1;
    if (epoch !== EPOCH || number + 1 < first) return undefined;
    return { position: this.position(), announcements: this.#announced.filter((each) => each.number > number) };
  }

  subscribe(listener: (position: Position, announcement: Announcement) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#listeners.clear();
  }

  #lease(key: string, now: number): Lease | undefined {
    const lease = this.#leases.get(key);
    return lease !== undefined && now < lease.until ? lease : undefined;
  }

  #announce(invalidation: Invalidation, origin: string): void {
    const announcement = { ...invalidation, origin, number: ++this.#number };
    this.#announced.push(announcement);
    if (this.#announced.length > REPLAY_MAX) this.#announced.shift();
    for (const listener of this.#listeners) listener(this.position(), announcement);
  }
}

function entryAt(kept: Kept<Uint8Array>, now: number): Entry<Uint8Array> {
  return { ...kept.source, ageMs: now - kept.bornAt, expired: kept.expired };
}
