/** One line a second for all requests that were sent away in it: a line for each would cost more than to send it away. */
import type { Clock } from '#core/clock';
import type { RefusalReason } from '#contract/load';
import type { Logger } from '#contract/logger';

const EVERY_MS = 1_000;

export class ShedLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counts = new Map<string, number>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  count(reason: RefusalReason): void {
    if (this.#counts.size === 0) this.#clock.schedule(EVERY_MS, this.#write);
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  readonly #write = (): void => {
    this.#logger.warn('requests-shed', { ...Object.fromEntries(this.#counts), withinMs: EVERY_MS });
    this.#counts.clear();
  };
}
