/**
 * The waits of a request for others, an upstream or its own reader: what goes by meanwhile is not hub time. Promises that a reader who
 * takes nothing holds neither memory nor a place for ever, whether he is sent a stream or a whole answer.
 */
import type { ServerResponse } from 'node:http';
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import { whenSettled } from '#core/settled';

/** The request whose time is counted. */
interface Waiting {
  readonly outgoing: ServerResponse;
  readonly signal: CancelSignal;
  waitedMs: number;
}

/** Waits for what upstreams do. */
export function waitedFor<T>(context: Pick<Waiting, 'waitedMs'>, clock: Clock, work: Promise<T>): Promise<T> {
  const since = clock.now();
  return whenSettled(work, () => {
    context.waitedMs += clock.now() - since;
  });
}

/** A caller who has taken nothing for so long is gone, whatever the network says. */
const STALLED_READER_MS = 60_000;

/** Resolves when the caller took enough of what was written; rejects with the signal's reason when the caller leaves. */
export function drained(context: Waiting, clock: Clock): Promise<void> {
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

/** What is written at once; a reader who took none of it for `STALLED_READER_MS` is gone. */
export const SLICE_BYTES = 256 * 1024;

/** The rest of a response after its head. Never rejects: a caller who leaves meanwhile has ended it. */
export async function sendAll(context: Waiting, clock: Clock, bytes: Uint8Array): Promise<void> {
  const { outgoing } = context;
  try {
    for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES)
      if (!outgoing.write(bytes.subarray(at, at + SLICE_BYTES))) await drained(context, clock);
  } catch {
    outgoing.destroy();
    return;
  }
  outgoing.end();
  untilTaken(outgoing, clock);
}

/** After the response was ended: what its reader does not take in time is not kept for him. */
export function untilTaken(outgoing: ServerResponse, clock: Clock): void {
  if (outgoing.writableLength === 0 || outgoing.destroyed) return;
  const stalled = clock.schedule(STALLED_READER_MS, () => outgoing.destroy());
  outgoing.once('close', () => stalled.cancel());
}
