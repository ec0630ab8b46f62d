/**
 * Time, as the rest of the house sees it. Durations come from a monotonic clock, so that an operator who sets the wall
 * clock never trips a breaker or ends a stream; the wall clock is only for what people and databases read. Everything
 * that waits takes a `Clock`, so that a test moves time by hand. Only this room touches the runtime's timers.
 */

import type { CancelSignal } from './cancel.ts';
import { RecentTime } from './recent-time.ts';

/** A scheduled callback. `cancel` may be called at any time and any number of times. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds since an arbitrary start, with a fraction. */
  now(): number;
  /** As `now`, for what may be some calls in a row old, and at most a turn of the event loop. Where a clock has none, `now` is asked. */
  recent?(): number;
  /** Milliseconds since the Unix epoch. */
  wallMs(): number;
  /**
   * Calls `callback` once after `delayMs` (0 to 2^31-1; longer waits are cut to that). Keeps the process alive only where it is
   * told to: for a wait that work goes on after, not for a limit on work that is under way.
   */
  schedule(delayMs: number, callback: () => void, keepsAlive?: boolean): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal?: CancelSignal): Promise<void>;
}

const DELAY_MAX_MS = 2 ** 31 - 1;

class SystemClock implements Clock {
  readonly #recent = new RecentTime(() => performance.now(), onNextTurn);

  now(): number {
    return performance.now();
  }

  recent(): number {
    return this.#recent.now();
  }

  wallMs(): number {
    return Date.now();
  }

  schedule(delayMs: number, callback: () => void, keepsAlive = false): Timer {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), DELAY_MAX_MS));
    if (!keepsAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  }

  sleep(delayMs: number, signal?: CancelSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }
}

/** The one `sleep` that every clock shares: it leaves no listener and no timer behind, whichever way it ends. */
export function sleepOn(clock: Pick<Clock, 'schedule'>, delayMs: number, signal?: CancelSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** For counting what went well: nothing is decided by when exactly it did. */
export function recentTime(clock: Clock): number {
  return clock.recent === undefined ? clock.now() : clock.recent();
}

/** To the microsecond. The digits of a difference beyond it are noise, and would be half of what a record of some is long. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** A wait that work goes on after: it keeps the process alive, which `sleep` does not. */
export function pause(clock: Pick<Clock, 'schedule'>, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.schedule(ms, resolve, true));
}

/** Calls back when the event loop has looked at its connections once more: what was ready before has been taken by then. */
export function onNextTurn(callback: () => void): void {
  setImmediate(callback);
}

export const systemClock: Clock = new SystemClock();
