/**
 * Writes run records behind the requests: in batches, in order, again while the database is away. What waits is bounded and can
 * be read, so that a run is found from the moment it has ended. What no longer fits is dropped from the old end, and what the
 * database refuses is dropped alone, so that one bad record never holds up the others; both are counted.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { RunRecord } from '#contract/runs';
import type { RunStore } from '#contract/stores';
import { isRefused } from './ask.ts';

const BATCH_ROWS = 500;
const BATCH_MS = 50;
const RETRY_MS = 500;

export interface RunWriter {
  append(run: RunRecord): void;
  /** A run that is not in the database yet. */
  get(id: string): RunRecord | undefined;
  /** All of them. */
  list(): readonly RunRecord[];
  readonly backlog: number;
  /** Resolves when all that was appended is written; rejects with the signal's reason where it ends first. Nothing is written on its own from then on. */
  flush(signal: AbortSignal): Promise<void>;
}

export interface RunWriterParts {
  readonly store: Pick<RunStore, 'upsertMany'>;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'runsDropped'>;
  readonly logger: Logger;
}

export function createRunWriter(parts: RunWriterParts): RunWriter {
  return new BatchingWriter(parts);
}

class BatchingWriter implements RunWriter {
  readonly #parts: RunWriterParts;
  /** In order of arrival; a run under way to the database stays in it until it is acknowledged. */
  readonly #waiting = new Map<string, RunRecord>();
  #timer: Timer | undefined;
  #writing: Promise<boolean> | undefined;
  #flushing = false;

  constructor(parts: RunWriterParts) {
    this.#parts = parts;
  }

  append(run: RunRecord): void {
    this.#waiting.set(run.id, run);
    if (this.#waiting.size > limits.runBacklogMax) {
      const oldest = this.#waiting.keys().next();
      if (oldest.done !== true) this.#waiting.delete(oldest.value);
      this.#parts.observer.runsDropped(1);
    }
    if (this.#writing === undefined) this.#arm(BATCH_MS);
  }

  get(id: string): RunRecord | undefined {
    return this.#waiting.get(id);
  }

  list(): readonly RunRecord[] {
    return [...this.#waiting.values()];
  }

  get backlog(): number {
    return this.#waiting.size;
  }

  async flush(signal: AbortSignal): Promise<void> {
    this.#flushing = true;
    this.#timer?.cancel();
    await this.#writing;
    while (this.#waiting.size > 0) {
      signal.throwIfAborted();
      if (!(await this.#writeBatch())) await this.#parts.clock.sleep(RETRY_MS, signal);
    }
  }

  #arm(delayMs: number): void {
    if (this.#flushing) return;
    this.#timer ??= this.#parts.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#writing = this.#writeBatch();
      this.#writing
        .then((written) => {
          this.#writing = undefined;
          if (this.#waiting.size > 0) this.#arm(written ? (this.#waiting.size >= BATCH_ROWS ? 0 : BATCH_MS) : RETRY_MS);
        })
        .catch((error: unknown) => this.#parts.logger.error('run-writer-failed', {}, error));
    });
  }

  /** Returns false where the database was away and the batch has to be tried again. */
  async #writeBatch(): Promise<boolean> {
    const batch = [...this.#waiting.values().take(BATCH_ROWS)];
    const { store, logger } = this.#parts;
    try {
      await store.upsertMany(batch);
    } catch (error) {
      if (isRefused(error)) return this.#writeOneByOne(batch);
      logger.warn('runs-not-written', { waiting: this.#waiting.size, reason: messageOf(error) });
      return false;
    }
    for (const run of batch) this.#done(run);
    return true;
  }

  /** After a refused batch: writes all of it but the record that was meant. */
  async #writeOneByOne(batch: readonly RunRecord[]): Promise<boolean> {
    const { store, logger, observer } = this.#parts;
    for (const run of batch) {
      try {
        await store.upsertMany([run]);
      } catch (error) {
        if (!isRefused(error)) return false;
        logger.error('run-refused', { run: run.id, reason: messageOf(error) });
        observer.runsDropped(1);
      }
      this.#done(run);
    }
    return true;
  }

  /** A run that was appended again meanwhile still waits in its newer form. */
  #done(run: RunRecord): void {
    if (this.#waiting.get(run.id) === run) this.#waiting.delete(run.id);
  }
}
