/** Has a tier remove what has expired, batch by batch, at times of its own: no caller pays for it. */
import type { Clock, Timer } from '#core/clock';
import type { Random } from '#core/random';
import type { GuardedTier } from './guarded-tier.ts';

const EVERY_MS = 60_000;
/** Between two batches, so that others get their turn. */
const PAUSE_MS = 100;

export class Purger {
  readonly #guarded: GuardedTier;
  readonly #clock: Clock;
  readonly #random: Random;
  #timer: Timer | undefined;
  #closed = false;

  constructor(guarded: GuardedTier, clock: Clock, random: Random) {
    this.#guarded = guarded;
    this.#clock = clock;
    this.#random = random;
  }

  start(): void {
    if (this.#guarded.tier.purge !== undefined) this.#next(EVERY_MS * (0.5 + this.#random.next()));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #next(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = this.#clock.schedule(delayMs, () => {
      void this.#guarded.purge().then((more) => this.#next(more === true ? PAUSE_MS : EVERY_MS));
    });
  }
}
