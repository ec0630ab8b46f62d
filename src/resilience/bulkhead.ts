/**
 * A bound on calls at the same time, with a bounded queue in front. One slow upstream must not take every socket and all memory of
 * the process; a queue only hides that, so there is none unless one is asked for.
 */
import type { Clock, Timer } from '#core/clock';
import { systemClock } from '#core/clock';
import { inRange } from './in-range.ts';
import type { Scope } from './scope.ts';
import { TimerQueue } from './timer-queue.ts';
import type { Refusal } from './outcome.ts';

export interface BulkheadOptions {
  readonly clock?: Clock;
  /** Calls at the same time, from 1. Default 100. */
  readonly concurrent?: number;
  /** Calls that may wait, from 0. Default 0. */
  readonly queue?: number;
  /** Longest wait in milliseconds. Default 1000. */
  readonly waitMs?: number;
}

interface Waiter {
  readonly admit: (admitted: boolean) => void;
  previous: Waiter | undefined;
  next: Waiter | undefined;
  timer: Timer | undefined;
}

export class Bulkhead {
  readonly concurrent: number;
  readonly #queueMax: number;
  readonly #timers: TimerQueue;
  #running = 0;
  #waiting = 0;
  #first: Waiter | undefined;
  #last: Waiter | undefined;

  constructor({ clock = systemClock, concurrent = 100, queue = 0, waitMs = 1_000 }: BulkheadOptions = {}) {
    this.concurrent = inRange('concurrent', concurrent, 1);
    this.#queueMax = inRange('queue', queue, 0);
    this.#timers = new TimerQueue(clock, inRange('waitMs', waitMs, 0));
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** True where a slot is free now, and taken. */
  tryEnter(): boolean {
    if (this.#running >= this.concurrent) return false;
    this.#running++;
    return true;
  }

  /** Waits for a slot where one may wait: true with a slot taken, false when there was none in time, or why the scope ended. */
  enter(scope: Scope): Promise<boolean | Refusal> | boolean {
    if (this.tryEnter()) return true;
    if (this.#waiting >= this.#queueMax) return false;
    let waiter: Waiter | undefined;
    return scope.wait(
      (done) => {
        waiter = this.#append(done);
      },
      () => {
        if (waiter !== undefined) this.#remove(waiter);
      },
    );
  }

  /** Gives the slot back, to the one who waits longest. */
  leave(): void {
    const next = this.#first;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#remove(next);
    next.admit(true);
  }

  #append(admit: (admitted: boolean) => void): Waiter {
    const waiter: Waiter = { admit, previous: this.#last, next: undefined, timer: undefined };
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#waiting++;
    waiter.timer = this.#timers.add(() => {
      this.#remove(waiter);
      admit(false);
    });
    return waiter;
  }

  #remove(waiter: Waiter): void {
    this.#waiting--;
    waiter.timer?.cancel();
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
  }
}
