/** The usage ledger as the hub runs it: its journal in the data folder, its rows in the database. */
import path from 'node:path';
import type { UsageRecord } from '#contract/ledger';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import { openLedger } from '#ledger/ledger';
import type { UsageLedger } from '#ledger/ledger';
import { createBatchWriter, FolderLockedError, lockFolder } from '#storage/index';
import type { Storage } from '#storage/index';
import { makeFolder } from './make-folder.ts';
import type { StorageParts } from './storage.ts';
import { withinFlush } from './storage.ts';

export interface HubLedger {
  readonly ledger: UsageLedger;
  /** Writes what waits, for at most five seconds; the rest stays in the journal for the next start. */
  close(): Promise<void>;
}

/** Throws an `Error` that names the folder where it cannot be written. */
export function openHubLedger(
  storage: Storage,
  { config, clock, logger, observer }: Omit<StorageParts, 'breakers'>,
): HubLedger {
  const folder = path.resolve(config.storage.dataDir, 'ledger');
  makeFolder(folder);
  const ledger = openLedger({
    folder,
    lock: tryLock,
    createWriter: (ended) =>
      createBatchWriter<UsageRecord>({
        noun: 'usage-row',
        rowsMax: limits.ledgerBacklogMax,
        write: (rows) => storage.stores.usage.insertMany(rows),
        ended,
        clock,
        logger,
      }),
    clock,
    logger,
    observer,
  });
  return {
    ledger,
    close: () =>
      withinFlush(clock, (signal) => ledger.close(signal)).catch((error: unknown) =>
        logger.warn('usage-rows-left-in-journal', { count: ledger.backlog, reason: messageOf(error) }),
      ),
  };
}

function tryLock(folder: string): { release(): void } | null {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof FolderLockedError) return null;
    throw error;
  }
}
