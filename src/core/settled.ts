/**
 * A `finally` that puts nothing between: the same promise comes back, and whoever waits for it goes on one turn of the queue earlier than
 * behind a second one. For what every request and every event of a stream waits for.
 */

/** Calls `callback`, which must not throw, when the work has ended either way, before those who wait for what is returned. */
export function whenSettled<T>(work: Promise<T>, callback: () => void): Promise<T> {
  work.then(callback, callback);
  return work;
}
