/**
 * A budget for repeats, shared by everybody who might repeat: at most a share of the calls of the last seconds, and a few on top
 * so that a quiet process may retry at all. Without one, an outage is multiplied by every caller's retries at once. After
 * Finagle's RetryBudget (https://twitter.github.io/finagle/guide/Clients.html#retries).
 */
import { recentTime, systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { SlidingWindow } from './breaker/window.ts';
import { inRange } from './in-range.ts';

const WINDOW_MS = 10_000;

export interface RetryBudgetOptions {
  readonly clock?: Clock;
  /** Repeats allowed as a share of calls, 0 to 1. Default 0.2. */
  readonly ratio?: number;
  /** Repeats allowed on top in each window. Default 3. */
  readonly reserve?: number;
}

export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #reserve: number;
  /** A call is kept as a success, a repeat as a failure. */
  readonly #window = new SlidingWindow(WINDOW_MS);

  constructor({ clock = systemClock, ratio = 0.2, reserve = 3 }: RetryBudgetOptions = {}) {
    this.#clock = clock;
    this.#ratio = inRange('ratio', ratio, 0, 1);
    this.#reserve = inRange('reserve', reserve, 0);
  }

  recordCall(): void {
    this.#window.success(recentTime(this.#clock));
  }

  /** Takes one repeat out of the budget; false where none is left. */
  tryRetry(): boolean {
    const now = this.#clock.now();
    const repeats = this.#window.failures(now);
    const calls = this.#window.calls(now) - repeats;
    if (repeats >= calls * this.#ratio + this.#reserve) return false;
    this.#window.failure(now);
    return true;
  }
}
