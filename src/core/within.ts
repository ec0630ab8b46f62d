/** Waits that end in time, whatever they wait for: a limit of our own holds where the work does not keep its own, or heeds no signal. */
import { Canceller } from './cancel.ts';
import type { CancelSignal } from './cancel.ts';
import type { Clock } from './clock.ts';

/** What was waited for took longer than it may. */
export class TooSlowError extends Error {
  constructor(limitMs: number) {
    super(`It took longer than ${limitMs} ms.`);
    this.name = 'TooSlowError';
  }
}

/**
 * What `work` gives. Throws `TooSlowError` after `limitMs`, and the signal's reason as soon as it aborts; the signal that `work` was
 * given is aborted then with the same reason, and what it does afterwards is of no interest to anybody.
 */
export async function within<T>(
  { clock, limitMs, signal }: { clock: Clock; limitMs: number; signal: CancelSignal },
  work: (signal: CancelSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new Canceller();
  const ended = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    controller.abort(reason);
    ended.reject(reason);
  };
  const onAbort = (): void => end(signal.reason);
  const timer = clock.schedule(limitMs, () => end(new TooSlowError(limitMs)));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(controller.signal), ended.promise]);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}
