/**
 * The tiers beneath memory, asked in turn. What a lower one holds is copied to those above; a lease is taken in each, in the same
 * order by every instance. Invalidations go from the lowest up, so that nothing is copied up again behind them. A tier that does
 * not answer is passed over; one that missed an invalidation is not read until it has taken it.
 */
import type { Clock } from '#core/clock';
import { TimerQueue } from '#resilience/timer-queue';
import { createCodec } from './codec.ts';
import type { Encoded } from './codec.ts';
import type { GuardedTier } from './guarded-tier.ts';
import { ENTRY_BYTES_MAX } from './options.ts';
import type { LeaseSettings } from './options.ts';
import type { Outbox } from './outbox.ts';
import type { Acquired, AcquireRequest, Entry, Invalidation, Ticket } from './tier.ts';

/** A tier with what is due to it. */
export interface RemoteTier {
  readonly guarded: GuardedTier;
  readonly outbox: Outbox;
}

interface Held {
  readonly tier: RemoteTier;
  readonly ticket: Ticket;
}

/** The leases of one fill: to be ended by `store` or `release`. */
export interface Leases {
  readonly key: string;
  readonly held: readonly Held[];
}

export type RemoteAcquired =
  | { readonly kind: 'hit'; readonly entry: Entry<Encoded> }
  | { readonly kind: 'leased'; readonly leases: Leases; readonly stale: Entry<Encoded> | undefined }
  | { readonly kind: 'missed'; readonly stale: Entry<Encoded> | undefined };

interface Asked {
  readonly acquired: Acquired<Uint8Array>;
  readonly entry: Entry<Encoded> | undefined;
}

type Ask = Omit<AcquireRequest, 'leaseMs' | 'leaseMsMax' | 'token'>;

export class Remote {
  readonly #tiers: readonly RemoteTier[];
  readonly #clock: Clock;
  readonly #lease: LeaseSettings;
  readonly #origin: string;
  readonly #codec = createCodec(ENTRY_BYTES_MAX);
  readonly #renewals: TimerQueue;
  #asked = 0;

  constructor(tiers: readonly RemoteTier[], clock: Clock, lease: LeaseSettings, origin: string) {
    this.#tiers = tiers;
    this.#clock = clock;
    this.#lease = lease;
    this.#origin = origin;
    this.#renewals = new TimerQueue(clock, lease.leaseMs / 3);
  }

  /** When no fill is under way any more. */
  close(): void {
    this.#renewals.close();
  }

  get isEmpty(): boolean {
    return this.#tiers.length === 0;
  }

  /** Never rejects: where no tier answers, the caller has leave to fill, and nothing to fill it into. */
  async acquire(ask: Ask, leaseMs = this.#lease.leaseMs): Promise<RemoteAcquired> {
    const held: Held[] = [];
    let stale: Entry<Encoded> | undefined;
    let missed = leaseMs === 0;
    // Nobody else's: the first half is this instance's random name.
    const token = `${this.#origin}.${++this.#asked}`;
    const leaseMsMax = Math.max(leaseMs, this.#lease.leaseMsMax);
    for (const tier of this.#tiers) {
      const asked = await this.#ask(tier, { ...ask, token, leaseMs, leaseMsMax });
      if (asked === undefined) continue;
      const { acquired, entry } = asked;
      if (acquired.kind === 'leased') held.push({ tier, ticket: acquired.ticket });
      if (acquired.kind === 'hit' && entry !== undefined) {
        if (held.length > 0) await this.#copyUp({ key: ask.key, held }, acquired.entry);
        return { kind: 'hit', entry };
      }
      if (entry !== undefined && (stale === undefined || entry.ageMs < stale.ageMs)) stale = entry;
      if (acquired.kind !== 'missed' || leaseMs === 0) continue;
      missed = true;
      break;
    }
    const leases = { key: ask.key, held };
    if (!missed) return { kind: 'leased', leases, stale };
    if (held.length > 0) await this.release(leases);
    return { kind: 'missed', stale };
  }

  /** Renews the leases for as long as it may; the returned function stops it. */
  keep({ key, held }: Leases): () => void {
    if (held.length === 0) return () => undefined;
    const { leaseMs, leaseMsMax } = this.#lease;
    const until = this.#clock.now() + leaseMsMax;
    const again = (): void => {
      if (this.#clock.now() + leaseMs > until) return;
      for (const { tier, ticket } of held) void tier.guarded.renew(key, ticket.token, leaseMs);
      timer = this.#renewals.add(again);
    };
    let timer = this.#renewals.add(again);
    return () => timer.cancel();
  }

  /** Stores in every tier whose lease still holds. */
  async store({ key, held }: Leases, entry: Entry<Encoded>): Promise<void> {
    if (held.length === 0) return;
    if (entry.bytes > ENTRY_BYTES_MAX) return this.release({ key, held });
    const packed = { ...entry, payload: await this.#codec.pack(entry.payload) };
    // From the lowest up: a copy above never outlives what it is a copy of.
    for (const { tier, ticket } of held.toReversed()) await tier.guarded.put(key, packed, ticket);
  }

  async release({ key, held }: Leases): Promise<void> {
    await Promise.all(held.map(({ tier, ticket }) => tier.guarded.release(key, ticket.token)));
  }

  async set(key: string, entry: Entry<Encoded>): Promise<void> {
    const invalidation = { name: `k:${key}`, hard: true };
    if (entry.bytes > ENTRY_BYTES_MAX) return this.invalidate([invalidation]);
    const packed = { ...entry, payload: await this.#codec.pack(entry.payload) };
    for (const { guarded, outbox } of this.#tiers.toReversed()) {
      const done = outbox.isEmpty && (await guarded.set(key, packed, this.#origin));
      if (done !== true) outbox.add([invalidation]);
    }
  }

  /** Resolves when every tier has it, or has it waiting. `above`: only the tiers above that one. */
  async invalidate(invalidations: readonly Invalidation[], above = this.#tiers.length): Promise<void> {
    for (const { guarded, outbox } of this.#tiers.slice(0, above).toReversed()) {
      // What waits goes first: a tier is told everything in order.
      const done = outbox.isEmpty && (await guarded.invalidate(invalidations, this.#origin));
      if (done !== true) outbox.add(invalidations);
    }
  }

  async #ask(tier: RemoteTier, request: AcquireRequest): Promise<Asked | undefined> {
    if (!tier.outbox.isEmpty) return undefined;
    for (let corrupt = 0; corrupt < 2; corrupt++) {
      const acquired = await tier.guarded.acquire(request);
      const found = acquired?.kind === 'hit' ? acquired.entry : acquired?.stale;
      // Most are unpacked at once: a promise more for each hit is what a hit costs.
      const unpacked = found && this.#codec.unpack(found.payload);
      const payload = unpacked instanceof Promise ? await unpacked : unpacked;
      const entry = found && payload && { ...found, payload };
      if (acquired?.kind !== 'hit' || entry !== undefined) return acquired && { acquired, entry };
      // Nobody can fill a key whose entry passes for fresh: the corrupt one has to go first.
      await tier.guarded.invalidate([{ name: `k:${request.key}`, hard: true }], this.#origin);
    }
    return undefined;
  }

  async #copyUp({ key, held }: Leases, entry: Entry<Uint8Array>): Promise<void> {
    for (const { tier, ticket } of held.toReversed()) await tier.guarded.put(key, entry, ticket);
  }
}
