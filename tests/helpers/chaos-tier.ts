/**
 * A tier that fails as networks do, from a seed: late, before it did anything, after it did it, or not at all until it is healed;
 * announcements late, out of order, or lost. What it wraps stays right: only the way to it is bad.
 */
import type { Clock } from '../../src/core/clock.ts';
import type { Random } from '../../src/core/random.ts';
import type {
  Acquired,
  AcquireRequest,
  Announcement,
  Entry,
  Invalidation,
  Position,
  Ticket,
  Tier,
  TierLimits,
} from '../../src/cache/tier.ts';

export interface Chaos {
  /** Every operation takes up to so long. */
  delayMs: number;
  /** Shares, 0 to 1. */
  failsBefore: number;
  failsAfter: number;
  /** Never answers, until the chaos changes. */
  hangs: number;
  /** Of the announcements. */
  lost: number;
}

export const CALM: Chaos = { delayMs: 5, failsBefore: 0, failsAfter: 0, hangs: 0, lost: 0 };

export class ChaosTier implements Tier {
  readonly name: string;
  limits: TierLimits;
  #chaos: Chaos = CALM;
  readonly #hung: ((reason: Error) => void)[] = [];
  readonly #inner: Tier;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly purge?: () => Promise<boolean>;
  readonly subscribe?: NonNullable<Tier['subscribe']>;

  constructor(inner: Tier, clock: Clock, random: Random) {
    this.#inner = inner;
    this.#clock = clock;
    this.#random = random;
    this.name = inner.name;
    this.limits = inner.limits;
    if (inner.purge) this.purge = () => this.#through(async () => (await inner.purge?.()) ?? false);
    if (inner.subscribe) this.subscribe = (listener) => this.#subscribe(listener);
  }

  /** What hangs ends as if its connection had been cut. */
  set chaos(chaos: Chaos) {
    this.#chaos = chaos;
    for (const cut of this.#hung.splice(0)) cut(new Error('chaos: the connection was cut'));
  }

  acquire(request: AcquireRequest): Promise<Acquired<Uint8Array>> {
    return this.#through(() => this.#inner.acquire(request));
  }

  put(key: string, entry: Entry<Uint8Array>, ticket: Ticket): Promise<boolean> {
    return this.#through(() => this.#inner.put(key, entry, ticket));
  }

  renew(key: string, token: string, leaseMs: number): Promise<boolean> {
    return this.#through(() => this.#inner.renew(key, token, leaseMs));
  }

  release(key: string, token: string): Promise<void> {
    return this.#through(() => this.#inner.release(key, token));
  }

  set(key: string, entry: Entry<Uint8Array>, origin: string): Promise<void> {
    return this.#through(() => this.#inner.set(key, entry, origin));
  }

  invalidate(invalidations: readonly Invalidation[], origin: string): Promise<void> {
    return this.#through(() => this.#inner.invalidate(invalidations, origin));
  }

  position(): Promise<Position> {
    return this.#through(() => this.#inner.position());
  }

  since(position: Position): Promise<{ position: Position; announcements: readonly Announcement[] } | undefined> {
    return this.#through(() => this.#inner.since(position));
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  #subscribe(listener: (position: Position, announcement: Announcement) => void): void {
    this.#inner.subscribe?.((position, announcement) => {
      if (this.#random.next() < this.#chaos.lost) return;
      this.#clock.schedule(this.#chaos.delayMs * this.#random.next(), () => listener(position, announcement));
    });
  }

  async #through<T>(work: () => T | Promise<T>): Promise<T> {
    const chaos = this.#chaos;
    await this.#clock.sleep((chaos.delayMs * this.#random.next()) / 2);
    if (this.#random.next() < chaos.hangs) await new Promise<never>((_, reject) => this.#hung.push(reject));
    if (this.#random.next() < chaos.failsBefore) throw new Error('chaos: the request was lost');
    const result = await work();
    await this.#clock.sleep((chaos.delayMs * this.#random.next()) / 2);
    if (this.#random.next() < chaos.failsAfter) throw new Error('chaos: the answer was lost');
    return result;
  }
}
