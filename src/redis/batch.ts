/**
 * What is asked for in one turn of the event loop goes to Redis in few calls of one script: 64 callers then cost four commands, four
 * writes and four runs of Lua. Bounded by number and weight, so that Redis is at work on one while the next is made ready, and no
 * call holds it or its memory for long.
 */

type Awaitable<T> = T | Promise<T>;

const COUNT_MAX = 16;
/** Bytes of one call, about. Redis answers nobody else while it takes them in. */
const BYTES_MAX = 256 * 1024;

interface Asked<Request, Reply> {
  readonly request: Request;
  readonly resolve: (reply: Awaitable<Reply>) => void;
  readonly reject: (error: unknown) => void;
}

/** `send` answers every request of a batch, in order; where it rejects, all of them do. */
export function createBatch<Request, Reply>(
  send: (requests: readonly Request[]) => Promise<readonly Awaitable<Reply>[]>,
  bytesOf: (request: Request) => number = () => 0,
): (request: Request) => Promise<Reply> {
  let open: Asked<Request, Reply>[] = [];
  let bytes = 0;
  const flush = (batch: readonly Asked<Request, Reply>[]): void => {
    if (open === batch) open = [];
    send(batch.map(({ request }) => request)).then(
      (replies) => batch.forEach(({ resolve }, index) => resolve(replies[index] as Awaitable<Reply>)),
      (error: unknown) => batch.forEach(({ reject }) => reject(error)),
    );
  };
  return (request) =>
    new Promise((resolve, reject) => {
      const size = bytesOf(request);
      if (open.length >= COUNT_MAX || bytes + size > BYTES_MAX) open = [];
      if (open.length === 0) {
        bytes = 0;
        const batch = open;
        // After every microtask: whoever asks because of the same reply is in it.
        process.nextTick(() => flush(batch));
      }
      open.push({ request, resolve, reject });
      bytes += size;
    });
}
