/** The signal of one call: aborts with the caller's, or when the whole call has taken too long. */
import type { CancelSignal } from '#core/cancel';
import type { Clock, Timer } from '#core/clock';
import { DeadlineError } from './failures.ts';

export class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: CancelSignal;
  readonly #timer: Timer;
  readonly #onAbort = (): void => this.#controller.abort(this.#caller.reason);

  constructor(caller: CancelSignal, limitMs: number, clock: Clock) {
    this.#caller = caller;
    this.#timer = clock.schedule(limitMs, () => this.#controller.abort(new DeadlineError(limitMs)));
    caller.addEventListener('abort', this.#onAbort, { once: true });
    if (caller.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The call has ended. */
  end(): void {
    this.#timer.cancel();
    this.#caller.removeEventListener('abort', this.#onAbort);
  }
}
