/**
 * How long each thing that a hub closes may hold its end. All of them together fit into what supervisors are told to wait beyond
 * `server.shutdownGraceMs`: 15 s, whatever hangs.
 */
import type { Clock } from '#core/clock';

/** All writers together: run records, what was said, usage. */
const FLUSH_MS = 5_000;
/** What is as good left out: an instance that does not take itself off, or what it spent in its last second. */
const COURTESY_MS = 1_000;

/**
 * Gives last writes five seconds; the signal then ends, and there is a second more for what is to be done then. Keeps the process alive
 * meanwhile: a database that hangs does not.
 */
export async function withinFlush(clock: Clock, flush: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const deadline = new AbortController();
  const late = new Error(`the database did not take what waited within ${FLUSH_MS} ms`);
  const limit = clock.schedule(FLUSH_MS, () => deadline.abort(late), true);
  try {
    if (!(await isDone(clock, FLUSH_MS + COURTESY_MS, () => flush(deadline.signal)))) throw late;
  } finally {
    limit.cancel();
  }
}

/** Resolves when it is closed, or after a second; rejects as it does. */
export async function briefly(clock: Clock, close: () => Promise<void>): Promise<void> {
  await isDone(clock, COURTESY_MS, close);
}

/** Whether it was within its time. */
async function isDone(clock: Clock, limitMs: number, close: () => Promise<void>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<false>();
  const limit = clock.schedule(limitMs, () => resolve(false), true);
  try {
    return await Promise.race([close().then(() => true), promise]);
  } finally {
    limit.cancel();
  }
}
