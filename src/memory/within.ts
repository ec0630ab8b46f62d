/** A limit on work that may not heed a signal: who waits is told at the limit or when his own signal aborts, the work is told too. */
import type { Clock } from '#core/clock';

/** The limit was reached; a caller who left is told with the reason of his own signal. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

export async function within<T>(
  clock: Clock,
  limitMs: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const controller = new AbortController();
  const { signal } = controller;
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    controller.abort(reason);
    reject(reason);
  };
  const timer = clock.schedule(limitMs, () => end(new DeadlineError(`it took longer than ${limitMs} ms`)));
  const onAbort = (): void => end(outer.reason);
  outer.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(signal), ended]);
  } finally {
    timer.cancel();
    outer.removeEventListener('abort', onAbort);
  }
}
