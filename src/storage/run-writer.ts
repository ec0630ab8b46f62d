/** The writer of run records: what no longer fits or is refused is lost, and counted. */
import type { Clock } from '#core/clock';
import { limits } from '#core/limits';
import type { BatchWriter } from '#contract/batch-writer';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { RunRecord } from '#contract/runs';
import type { RunStore } from '#contract/stores';
import { createBatchWriter } from './batch-writer.ts';

export type RunWriter = BatchWriter<RunRecord>;

export interface RunWriterParts {
  readonly store: Pick<RunStore, 'upsertMany'>;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'runsDropped'>;
  readonly logger: Logger;
}

export function createRunWriter({ store, clock, observer, logger }: RunWriterParts): RunWriter {
  return createBatchWriter<RunRecord>({
    noun: 'run',
    rowsMax: limits.runBacklogMax,
    write: (runs) => store.upsertMany(runs),
    ended: (_run, how) => {
      if (how !== 'written') observer.runsDropped(1);
    },
    clock,
    logger,
  });
}
