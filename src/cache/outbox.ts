/**
 * Invalidations that a tier did not take. They are tried again until it has them, and until then the tier is not read: it may hold
 * what was deleted. Bounded: past the bound everything that waits becomes one invalidation of everything.
 */
import type { Clock, Timer } from '#core/clock';
import { EVERYTHING } from './tier.ts';
import type { Invalidation } from './tier.ts';

/** Names that wait for one tier. */
const WAITING_MAX = 10_000;
const BATCH = 500;
const RETRY_MS = 250;

export interface OutboxDependencies {
  readonly clock: Clock;
  /** True once the tier, and all above it, have them. */
  readonly send: (invalidations: readonly Invalidation[]) => Promise<boolean>;
  readonly onChange: (waiting: number, overflowed: boolean) => void;
  readonly waitingMax?: number;
}

export class Outbox {
  readonly #waiting = new Map<string, Invalidation>();
  readonly #dependencies: OutboxDependencies;
  #timer: Timer | undefined;
  #closed = false;

  constructor(dependencies: OutboxDependencies) {
    this.#dependencies = dependencies;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  add(invalidations: readonly Invalidation[]): void {
    let overflowed = false;
    for (const { name, hard } of invalidations) {
      const known = this.#waiting.get(name);
      this.#waiting.set(name, { name, hard: hard || known?.hard === true });
      if (this.#waiting.size <= (this.#dependencies.waitingMax ?? WAITING_MAX)) continue;
      overflowed = true;
      this.#waiting.clear();
      this.#waiting.set(EVERYTHING, { name: EVERYTHING, hard: true });
    }
    this.#dependencies.onChange(this.#waiting.size, overflowed);
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = this.#dependencies.clock.schedule(RETRY_MS, () => void this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#closed) {
      const batch = [...this.#waiting.values()].slice(0, BATCH);
      if (!(await this.#dependencies.send(batch))) break;
      // What was added again meanwhile is another object, and goes again.
      for (const each of batch) if (this.#waiting.get(each.name) === each) this.#waiting.delete(each.name);
      this.#dependencies.onChange(this.#waiting.size, false);
    }
    this.#timer = undefined;
    if (this.#waiting.size > 0) this.#arm();
  }
}
