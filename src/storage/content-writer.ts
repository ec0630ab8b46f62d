/** The writer of what was said in runs: what no longer fits or is refused is lost, and counted. Bounded in bytes, as texts have no size. */
import type { Clock } from '#core/clock';
import { limits } from '#core/limits';
import type { BatchWriter } from '#contract/batch-writer';
import type { ContentRecord } from '#contract/content';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { ContentStore } from '#contract/stores';
import { createBatchWriter } from './batch-writer.ts';

export interface ContentWriterParts {
  readonly store: Pick<ContentStore, 'insertMany'>;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'contentsDropped'>;
  readonly logger: Logger;
}

export function createContentWriter({
  store,
  clock,
  observer,
  logger,
}: ContentWriterParts): BatchWriter<ContentRecord> {
  return createBatchWriter<ContentRecord>({
    noun: 'content',
    rowsMax: limits.contentBacklogMax,
    bytes: { of: bytesOf, waitingMax: limits.contentBacklogBytesMax, batchMax: limits.contentBatchBytesMax },
    write: (contents) => store.insertMany(contents),
    ended: (_content, how) => {
      if (how !== 'written') observer.contentsDropped(1);
    },
    clock,
    logger,
  });
}

/** As the runtime holds them: two bytes a character at most. */
function bytesOf({ messages, answer }: ContentRecord): number {
  return 2 * (messages.length + answer.length);
}
