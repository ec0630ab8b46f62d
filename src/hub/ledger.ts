/** The usage ledger as the hub runs it: reserved in the state's Redis or in a journal in the data folder, its rows in the database. */
import path from 'node:path';
import type { Guard } from '#contract/guard';
import type { UsageRecord } from '#contract/ledger';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import { limits } from '#core/limits';
import { openLedger } from '#ledger/ledger';
import { Reservations } from '#ledger/reservations';
import type { UsageLedger } from '#ledger/ledger';
import { createBatchWriter, tryLockFolder } from '#storage/index';
import type { Storage } from '#storage/index';
import type { RedisPort } from '#redis/index';
import { createGuard, DEPENDENCY_BREAKER } from './breakers.ts';
import { makeFolder } from './make-folder.ts';
import type { StorageParts } from './storage.ts';
import { withinFlush } from './ending.ts';

export interface HubLedger {
  readonly ledger: UsageLedger;
  /** Writes what waits, for at most five seconds; the rest stays in the journal for the next start. */
  close(): Promise<void>;
}

export interface LedgerParts extends StorageParts {
  readonly random: Random;
  /** The Redis of the state role. */
  readonly state: RedisPort | null;
  readonly incarnation: string;
}

/** Throws an `Error` that names the folder where it cannot be written. */
export function openHubLedger(
  storage: Storage,
  { config, clock, random, logger, observer, breakers, state, incarnation }: LedgerParts,
): HubLedger {
  const guard = (): Guard => createGuard(breakers.get('state:ledger', DEPENDENCY_BREAKER), () => true);
  const reservations =
    state === null ? null : new Reservations({ redis: state, incarnation, guard: guard(), clock, random, logger });
  const folder = path.resolve(config.storage.dataDir, 'ledger');
  makeFolder(folder);
  const ledger = openLedger({
    folder,
    lock: tryLockFolder,
    reservations,
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
