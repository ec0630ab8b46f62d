/**
 * The embedded database, seen from the hub's thread: a worker, a bounded queue in front of it, one session at a time. Promises
 * that a caller waits no longer than the deadline and that a transaction has the database for itself; when the worker
 * dies, or is ended because it hangs, everybody who waits is told and the next caller starts a new one.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Observer } from '#contract/observer';
import { TextBytes } from './driver.ts';
import type { Session, SessionSource } from './driver.ts';
import { lockFolder } from './folder-lock.ts';
import type { Reply, Request } from './pglite-worker.ts';
import type { PoolStats } from './postgres.ts';

/** Sessions that may wait; one more is refused at once. */
const WAITING_MAX = 1024;
const START_MS = 60_000;
/** A query that is still running so long after its deadline hangs: on a full disk PGlite turns round and round and never answers. */
const HANG_MS = 30_000;
/** The worker ends what is under way and writes its files; a query that hangs is not waited for. */
const CLOSE_MS = 5_000;

class DatabaseBusyError extends Error {
  override readonly name = 'DatabaseBusyError';
}

interface Waiting {
  readonly resolve: (reply: Extract<Reply, { id: number }>) => void;
  readonly reject: (error: Error) => void;
}

type Answer = Awaited<ReturnType<Session['query']>>;

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly queryTimeoutMs: number;
}

export function embeddedSource(
  options: EmbeddedOptions,
  dependencies: { clock: Clock; observer: Pick<Observer, 'poolWaited'> },
): SessionSource & { stats(): PoolStats } {
  const { clock, observer } = dependencies;
  const lock = lockFolder(options.dataDir);
  const thread = new DatabaseThread(options.dataDir, clock);
  const queue: { grant: () => void }[] = [];
  let busy = false;

  function next(): void {
    const waiting = queue.shift();
    if (waiting === undefined) busy = false;
    else waiting.grant();
  }

  function session(timeoutMs: number): Session {
    let running: Promise<unknown> = Promise.resolve();
    return {
      query(sql, parameters) {
        // With a part of a memory the whole of it would be handed over.
        const values = parameters.map((each) => (each instanceof TextBytes ? each.bytes.toString() : each));
        const reply = thread.send(sql, values);
        running = reply.catch(() => undefined);
        return thread.withinDeadline(reply, timeoutMs);
      },
      // A query that outlived its deadline still runs: the database is free when it has ended, not before.
      release: () => void running.then(next),
    };
  }

  return {
    acquire(queryTimeoutMs = options.queryTimeoutMs) {
      if (!busy) {
        busy = true;
        observer.poolWaited(0);
        return Promise.resolve(session(queryTimeoutMs));
      }
      if (queue.length >= WAITING_MAX)
        return Promise.reject(new DatabaseBusyError(`${WAITING_MAX} callers wait for the embedded database already`));
      const startedAt = clock.now();
      return new Promise((resolve, reject) => {
        const entry = {
          grant: () => {
            timer.cancel();
            observer.poolWaited(clock.now() - startedAt);
            resolve(session(queryTimeoutMs));
          },
        };
        const timer = clock.schedule(options.queryTimeoutMs, () => {
          queue.splice(queue.indexOf(entry), 1);
          reject(new DatabaseBusyError(`the embedded database was busy for ${options.queryTimeoutMs} ms`));
        });
        queue.push(entry);
      });
    },
    stats: () => ({ max: 1, total: 1, idle: busy ? 0 : 1, waiting: queue.length }),
    async close() {
      try {
        await thread.close();
      } finally {
        lock.release();
      }
    },
  };
}

/** The worker and the messages that are on their way to it or back. One worker at a time: two on one folder would ruin it. */
class DatabaseThread {
  readonly #dataDir: string;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #started: Promise<Worker> | undefined;
  /** Why it ended, where that is known. */
  #reason: string | undefined;
  #nextId = 1;
  #closed = false;

  constructor(dataDir: string, clock: Clock) {
    this.#dataDir = dataDir;
    this.#clock = clock;
  }

  async send(sql: string, parameters: readonly unknown[]): Promise<Answer> {
    // A query that comes too late must not open the folder again, which may be another process's by then.
    if (this.#closed) throw new DatabaseBusyError('the embedded database is closed');
    return this.#post(await (this.#started ??= this.#start()), { sql, parameters });
  }

  /** The deadline of a query does not count the start of the database, which has its own. */
  async withinDeadline<T>(reply: Promise<T>, timeoutMs: number): Promise<T> {
    reply.catch(() => undefined);
    const worker = await this.#started;
    return new Promise((resolve, reject) => {
      let timer = this.#clock.schedule(timeoutMs, () => {
        reject(new DatabaseBusyError(`the embedded database did not answer within ${timeoutMs} ms`));
        timer = this.#clock.schedule(HANG_MS, () =>
          this.#end(worker, `a query was not done ${HANG_MS} ms after its deadline`),
        );
      });
      reply.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    // One that never started has nothing to close.
    const worker = await this.#started?.catch(() => undefined);
    if (worker === undefined) return;
    try {
      await this.withinDeadline(this.#post(worker, { close: true }), CLOSE_MS);
    } finally {
      await worker.terminate();
    }
  }

  async #post(
    worker: Worker,
    message: { sql: string; parameters: readonly unknown[] } | { close: true },
  ): Promise<Answer> {
    const id = this.#nextId++;
    const reply = await new Promise<Extract<Reply, { id: number }>>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, ...message } satisfies Request);
    });
    if ('error' in reply) throw Object.assign(new Error(reply.error.message), { code: reply.error.code });
    return reply;
  }

  #end(worker: Worker | undefined, reason: string): void {
    this.#reason = reason;
    void worker?.terminate();
  }

  #start(): Promise<Worker> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./pglite-worker.${extension}`, import.meta.url), {
      workerData: { dataDir: this.#dataDir },
    });
    this.#reason = undefined;
    // Not unreferenced: a process that waits for nothing else would end before it hears why the database does not start.
    return new Promise((resolve, reject) => {
      const timer = this.#clock.schedule(START_MS, () => this.#end(worker, `it did not start within ${START_MS} ms`));
      worker.on('message', (reply: Reply) => {
        if ('ready' in reply) {
          timer.cancel();
          resolve(worker);
          return;
        }
        this.#waiting.get(reply.id)?.resolve(reply);
        this.#waiting.delete(reply.id);
      });
      worker.on('error', (error) => (this.#reason = messageOf(error)));
      // The next worker may start when this one has let go of the folder: at its exit, not at its error.
      worker.on('exit', (code) => {
        timer.cancel();
        this.#started = undefined;
        const error = new DatabaseBusyError(
          `the embedded database ended: ${this.#reason ?? `its thread exited with ${code}`}`,
        );
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
        reject(error);
      });
    });
  }
}
