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

/** Answers every request of a batch, in order; where it rejects, all of them do. */
type Send<Request, Reply> = (requests: readonly Request[]) => Promise<readonly Awaitable<Reply>[]>;

/** Rejects as `send` does, and then none of them is answered. */
async function answer<Request, Reply>(
  send: Send<Request, Reply>,
  batch: readonly Asked<Request, Reply>[],
): Promise<void> {
  const replies = await send(batch.map(({ request }) => request));
  batch.forEach(({ resolve }, index) => resolve(replies[index] as Awaitable<Reply>));
}

export function createBatch<Request, Reply>(
  send: Send<Request, Reply>,
  bytesOf: (request: Request) => number = () => 0,
): (request: Request) => Promise<Reply> {
  let open: Asked<Request, Reply>[] = [];
  let bytes = 0;
  const flush = (batch: readonly Asked<Request, Reply>[]): void => {
    if (open === batch) open = [];
    answer(send, batch).catch((error: unknown) => batch.forEach(({ reject }) => reject(error)));
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

/** What one call takes along at the most; it holds Redis up for a millisecond or two. */
const CONVOY_MAX = 32;

/**
 * As `createBatch`, over turns: what is asked for while a call is under way goes with the next, so that the more is asked for, the more goes
 * together. One that comes alone waits for nobody, nor does a full call, however far away Redis is. Where a call rejects, those
 * that wait just then reject too, and have not been sent: nobody waits for one call after another.
 */
export function createConvoy<Request, Reply>(send: Send<Request, Reply>): (request: Request) => Promise<Reply> {
  let waiting: Asked<Request, Reply>[] = [];
  let underWay = 0;
  const depart = (): void => {
    while (waiting.length >= CONVOY_MAX || (waiting.length > 0 && underWay === 0)) {
      const batch = waiting.slice(0, CONVOY_MAX);
      waiting = waiting.slice(CONVOY_MAX);
      underWay++;
      void goWith(batch);
    }
  };
  const goWith = async (batch: readonly Asked<Request, Reply>[]): Promise<void> => {
    try {
      await answer(send, batch);
    } catch (error) {
      const unsent = waiting;
      waiting = [];
      for (const { reject } of [...batch, ...unsent]) reject(error);
    }
    underWay--;
    depart();
  };
  return (request) =>
    new Promise((resolve, reject) => {
      waiting.push({ request, resolve, reject });
      if (waiting.length >= CONVOY_MAX) depart();
      else if (underWay === 0 && waiting.length === 1) process.nextTick(depart);
    });
}
