/** The waits of a request for others, an upstream or its own reader: what goes by meanwhile is not hub time. */
import type { Clock } from '#core/clock';
import type { RequestContext } from './request-context.ts';

/** Waits for what upstreams do. */
export async function waitedFor<T>(context: RequestContext, clock: Clock, work: Promise<T>): Promise<T> {
  const since = clock.now();
  try {
    return await work;
  } finally {
    context.waitedMs += clock.now() - since;
  }
}

/** A caller who has taken nothing for so long is gone, whatever the network says. */
const STALLED_READER_MS = 60_000;

/** Resolves when the caller took enough of what was written; rejects with the signal's reason when the caller leaves. */
export function drained(context: RequestContext, clock: Clock): Promise<void> {
  const { outgoing, signal } = context;
  const since = clock.now();
  return new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      stalled.cancel();
      outgoing.off('drain', onDrain);
      signal.removeEventListener('abort', onAbort);
      context.waitedMs += clock.now() - since;
    };
    const onDrain = (): void => {
      stop();
      resolve();
    };
    const onAbort = (): void => {
      stop();
      reject(signal.reason);
    };
    const stalled = clock.schedule(STALLED_READER_MS, () => outgoing.destroy());
    outgoing.on('drain', onDrain);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}
