/**
 * All breakers of a process by key. Bounded: when a new one is made and the registry is full, or was not swept for as long as a
 * breaker may idle, those that hold nothing worth remembering are forgotten, counted. Where there is none of them, the longest unused go:
 * a new key is never refused because of old failures. A breaker that is busy or under an operator's order is never evicted.
 */
import type { Clock } from '#core/clock';
import { systemClock } from '#core/clock';
import { limits } from '#core/limits';
import type { Random } from '#core/random';
import { systemRandom } from '#core/random';
import { Breaker } from './breaker/breaker.ts';
import type { QuotaEvent, Transition } from './breaker/events.ts';
import type { BreakerOptions } from './breaker/options.ts';
import { checkedOptions } from './breaker/options.ts';

const IDLE_MS = 600_000;
/** What goes at once where every breaker holds something: room for more than one new key. */
const DROPPED_SHARE = 0.01;

export interface RegistryOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly defaults?: Partial<BreakerOptions>;
  readonly keysMax?: number;
  readonly idleMs?: number;
}

export class BreakerRegistry {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #defaults: BreakerOptions;
  readonly #keysMax: number;
  readonly #idleMs: number;
  readonly #breakers = new Map<string, Breaker>();
  readonly #listeners = new Set<(transition: Transition) => void>();
  readonly #quotaListeners = new Set<(event: QuotaEvent) => void>();
  #sweptAt: number;
  evicted = 0;
  listenerFailures = 0;

  constructor(options: RegistryOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#defaults = checkedOptions(options.defaults ?? {});
    this.#keysMax = options.keysMax ?? limits.breakersMax;
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#sweptAt = this.#clock.now();
  }

  /** The breaker of this key, made when it is first asked for; `options` count only then. */
  get(key: string, options: Partial<BreakerOptions> = {}): Breaker {
    const known = this.#breakers.get(key);
    if (known !== undefined) return known;
    const now = this.#clock.now();
    if (now - this.#sweptAt >= this.#idleMs) this.sweep();
    if (this.#breakers.size >= this.#keysMax) this.#evict();
    const breaker = new Breaker(key, checkedOptions(options, this.#defaults), {
      clock: this.#clock,
      random: this.#random,
      onTransition: (transition) => this.#tell(this.#listeners, transition),
      onQuota: (event) => this.#tell(this.#quotaListeners, event),
    });
    this.#breakers.set(key, breaker);
    return breaker;
  }

  find(key: string): Breaker | undefined {
    return this.#breakers.get(key);
  }

  values(): IterableIterator<Breaker> {
    return this.#breakers.values();
  }

  get size(): number {
    return this.#breakers.size;
  }

  /** Returns the function that takes the listener off again. */
  onTransition(listener: (transition: Transition) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As `onTransition`, of quotas. */
  onQuota(listener: (event: QuotaEvent) => void): () => void {
    this.#quotaListeners.add(listener);
    return () => this.#quotaListeners.delete(listener);
  }

  /** Forgets idle breakers; returns how many. */
  sweep(idleMs = this.#idleMs): number {
    this.#sweptAt = this.#clock.now();
    let forgotten = 0;
    for (const [key, breaker] of this.#breakers) {
      if (!breaker.idleFor(idleMs)) continue;
      this.#breakers.delete(key);
      forgotten++;
    }
    this.evicted += forgotten;
    return forgotten;
  }

  #evict(): void {
    if (this.sweep() > 0 || this.sweep(0) > 0) return;
    const longest = [...this.#breakers.values()]
      .filter(({ inFlight, state }) => inFlight === 0 && !('by' in state))
      .toSorted((one, other) => one.lastUsed - other.lastUsed)
      .slice(0, Math.ceil(this.#keysMax * DROPPED_SHARE));
    if (longest.length === 0) throw new RangeError(`${this.#keysMax} breakers are in use, and none of them is idle`);
    for (const { key } of longest) this.#breakers.delete(key);
    this.evicted += longest.length;
  }

  #tell<Event>(listeners: Iterable<(event: Event) => void>, event: Event): void {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch {
        // One listener's failure is not the others'.
        this.listenerFailures++;
      }
    }
  }
}
