/**
 * Writes run records behind the requests: in batches, in order, again while the database is away. What waits is bounded and can
 * be read, so that a run is found from the moment it has ended. What no longer fits is dropped from the old end, counted.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { RunRecord } from '#contract/runs';
import type { RunStore } from '#contract/stores';

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
  /** Resolves when all that was appended is written; rejects with the signal's reason where it ends first. */
  flush(signal: AbortSignal): Promise<void>;
}

export function createRunWriter(dependencies: {
  store: Pick<RunStore, 'upsertMany'>;
  clock: Clock;
  observer: Pick<Observer, 'runsDropped'>;
  logger: Logger;
}): RunWriter {
  const { store, clock, observer, logger } = dependencies;
  /** In order of arrival; a run under way to the database stays in it until it is acknowledged. */
  const waiting = new Map<string, RunRecord>();
  let timer: Timer | undefined;
  let writing: Promise<boolean> | undefined;

  /** Returns whether the batch was written. */
  async function writeBatch(): Promise<boolean> {
    const batch: RunRecord[] = [];
    for (const run of waiting.values()) {
      batch.push(run);
      if (batch.length === BATCH_ROWS) break;
    }
    if (batch.length === 0) return true;
    try {
      await store.upsertMany(batch);
    } catch (error) {
      logger.warn('runs-not-written', { waiting: waiting.size, reason: messageOf(error) });
      return false;
    }
    for (const run of batch) if (waiting.get(run.id) === run) waiting.delete(run.id);
    return true;
  }

  function arm(delayMs: number): void {
    timer ??= clock.schedule(delayMs, () => {
      timer = undefined;
      writing = writeBatch();
      writing
        .then((written) => {
          writing = undefined;
          if (waiting.size > 0) arm(written ? (waiting.size >= BATCH_ROWS ? 0 : BATCH_MS) : RETRY_MS);
        })
        .catch((error: unknown) => logger.error('run-writer-failed', {}, error));
    });
  }

  return {
    append(run) {
      waiting.set(run.id, run);
      if (waiting.size > limits.runBacklogMax) {
        const oldest = waiting.keys().next();
        if (oldest.done !== true) waiting.delete(oldest.value);
        observer.runsDropped(1);
      }
      if (writing === undefined) arm(BATCH_MS);
    },
    get: (id) => waiting.get(id),
    list: () => [...waiting.values()],
    get backlog() {
      return waiting.size;
    },
    async flush(signal) {
      timer?.cancel();
      timer = undefined;
      await writing;
      while (waiting.size > 0) {
        signal.throwIfAborted();
        if (!(await writeBatch())) await clock.sleep(RETRY_MS, signal);
      }
    },
  };
}
