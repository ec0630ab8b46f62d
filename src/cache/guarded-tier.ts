/**
 * A tier that cannot hurt its callers: every operation has a deadline, all of them together a bound, and a breaker in front. What
 * fails, is late or is refused is `undefined`, never an error. A lease that is granted too late is given back.
 */
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { systemRandom } from '#core/random';
import type { Random } from '#core/random';
import type { Breaker } from '#resilience/breaker/breaker';
import { BREAKER_DEFAULTS } from '#resilience/breaker/options';
import { BreakerRegistry } from '#resilience/registry';
import { TimerQueue } from '#resilience/timer-queue';
import type { CacheEvent } from './events.ts';
import type {
  Acquired,
  AcquireRequest,
  Announcement,
  Awaitable,
  Entry,
  Invalidation,
  Position,
  Ticket,
  Tier,
} from './tier.ts';

/**
 * Three failures within a second open it, if they are a tenth of the calls; 1 s at first, 2 s at most, so that a tier that was away for
 * long is used within 5 s of its return: one probe in so long is no storm. Three probes close it, one by one.
 */
const BREAKER = {
  ...BREAKER_DEFAULTS,
  failures: 3,
  windowMs: 1_000,
  openMs: 1_000,
  openMsMax: 2_000,
  probeSuccesses: 3,
};

export interface GuardDependencies {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly onEvent?: (event: CacheEvent) => void;
  /** Where its breaker is kept, as `cache:<tier>`; otherwise it is nobody else's. */
  readonly breakers?: BreakerRegistry | undefined;
}

export class GuardedTier {
  readonly tier: Tier;
  readonly breaker: Breaker;
  readonly #clock: Clock;
  /** Where nobody listens, nothing is timed either. */
  readonly #onEvent: ((event: CacheEvent) => void) | undefined;
  readonly #forget: () => void;
  /** Deadlines of all operations alike: one timer each, however many are under way. */
  readonly #reads: TimerQueue;
  readonly #writes: TimerQueue;
  #inFlight = 0;

  constructor(tier: Tier, { clock = systemClock, random = systemRandom, onEvent, breakers }: GuardDependencies) {
    this.tier = tier;
    this.#clock = clock;
    this.#reads = new TimerQueue(clock, tier.limits.readMs);
    this.#writes = new TimerQueue(clock, tier.limits.writeMs);
    this.#onEvent = onEvent;
    const registry = breakers ?? new BreakerRegistry({ clock, random });
    this.breaker = registry.get(`cache:${tier.name}`, BREAKER);
    this.#forget = registry.onTransition(({ key, to, reason }) => {
      if (to === 'half_open' || key !== this.breaker.key) return;
      this.#onEvent?.({ kind: to === 'closed' ? 'tier-closed' : 'tier-opened', tier: tier.name, reason });
    });
  }

  /** The tier itself is its owner's to close. */
  close(): void {
    this.#forget();
  }

  acquire(request: AcquireRequest): Promise<Acquired<Uint8Array> | undefined> {
    const giveBack = (late: Acquired<Uint8Array>): void => {
      if (late.kind === 'leased') void this.release(request.key, request.token);
    };
    const tell = (acquired: Acquired<Uint8Array>): void =>
      this.#onEvent?.({ kind: 'lookup', tier: this.tier.name, ...foundIn(acquired) });
    return this.#run('acquire', this.#reads, () => this.tier.acquire(request), tell, giveBack);
  }

  put(key: string, entry: Entry<Uint8Array>, ticket: Ticket): Promise<boolean | undefined> {
    return this.#run('put', this.#writes, () => this.tier.put(key, entry, ticket)).then((stored) => {
      if (stored === true) this.#stored(entry);
      return stored;
    });
  }

  renew(key: string, token: string, leaseMs: number): Promise<boolean | undefined> {
    return this.#run('renew', this.#writes, () => this.tier.renew(key, token, leaseMs));
  }

  release(key: string, token: string): Promise<true | undefined> {
    return this.#write('release', () => this.tier.release(key, token));
  }

  set(key: string, entry: Entry<Uint8Array>, origin: string): Promise<true | undefined> {
    return this.#write('set', () => this.tier.set(key, entry, origin)).then((stored) => {
      if (stored === true) this.#stored(entry);
      return stored;
    });
  }

  invalidate(invalidations: readonly Invalidation[], origin: string): Promise<true | undefined> {
    return this.#write('invalidate', () => this.tier.invalidate(invalidations, origin));
  }

  position(): Promise<Position | undefined> {
    return this.#run('position', this.#reads, () => this.tier.position());
  }

  /** Null: what was announced since is not known any more. `undefined`: no answer. */
  since(
    position: Position,
  ): Promise<{ position: Position; announcements: readonly Announcement[] } | null | undefined> {
    return this.#run('since', this.#writes, async () => (await this.tier.since(position)) ?? null);
  }

  purge(): Promise<boolean | undefined> {
    return this.#run('purge', this.#writes, () => this.tier.purge?.() ?? false);
  }

  #write(operation: string, work: () => Awaitable<void>): Promise<true | undefined> {
    return this.#run(operation, this.#writes, async (): Promise<true> => {
      await work();
      return true;
    });
  }

  #stored({ payload }: Entry<Uint8Array>): void {
    this.#onEvent?.({ kind: 'stored', tier: this.tier.name, bytes: payload.byteLength });
  }

  #run<T>(
    operation: string,
    deadlines: TimerQueue,
    work: () => Awaitable<T>,
    onTime?: (value: T) => void,
    onLate?: (late: T) => void,
  ): Promise<T | undefined> {
    const startedAt = this.#onEvent === undefined ? 0 : this.#clock.now();
    const permit = this.#inFlight < this.tier.limits.inFlightMax ? this.breaker.tryAcquire() : undefined;
    if (permit?.granted !== true) {
      this.#tell(operation, 'refused', startedAt);
      return Promise.resolve(undefined);
    }
    this.#inFlight++;
    return new Promise((resolve) => {
      let open = true;
      const end = (outcome: 'ok' | 'failed' | 'timeout', value: T | undefined): void => {
        open = false;
        deadline.cancel();
        if (outcome === 'ok') permit.success();
        else permit.failure();
        this.#tell(operation, outcome, startedAt);
        resolve(value);
      };
      const deadline = deadlines.add(() => {
        // Where this thread was busy past the deadline, the answer may lie in the socket already: one turn to read it.
        this.#clock.schedule(0, () => {
          if (open) end('timeout', undefined);
        });
      });
      begun(work).then(
        (value) => {
          this.#inFlight--;
          if (!open) onLate?.(value);
          else {
            end('ok', value);
            onTime?.(value);
          }
        },
        // Told as the operation's outcome: a cache that fails is a cache that misses.
        () => {
          this.#inFlight--;
          if (open) end('failed', undefined);
        },
      );
    });
  }

  #tell(operation: string, outcome: 'ok' | 'failed' | 'timeout' | 'refused', startedAt: number): void {
    this.#onEvent?.({ kind: 'operation', tier: this.tier.name, operation, outcome, ms: this.#clock.now() - startedAt });
  }
}

function begun<T>(work: () => Awaitable<T>): Promise<T> {
  try {
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(error);
  }
}

function foundIn(acquired: Acquired<Uint8Array>): { result: 'hit' | 'stale' | 'miss'; bytes: number } {
  if (acquired.kind === 'hit') return { result: 'hit', bytes: acquired.entry.payload.byteLength };
  const { stale } = acquired;
  return stale === undefined ? { result: 'miss', bytes: 0 } : { result: 'stale', bytes: stale.payload.byteLength };
}
