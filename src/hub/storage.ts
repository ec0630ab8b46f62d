/**
 * Opens storage for the hub: the database behind its breaker, the writers of run records and of what was said, and what is deleted with age. Everything it
 * starts is ended by the stack it is given.
 */
import path from 'node:path';
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { BatchWriter } from '#contract/batch-writer';
import type { ContentRecord } from '#contract/content';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { RunWriter } from '#contract/runs';
import type { Stores } from '#contract/stores';
import type { Config } from '#config/index';
import type { BreakerRegistry } from '#resilience/index';
import { createContentWriter, createRunWriter, isUnavailable, monthOf, openStorage } from '#storage/index';
import type { Storage } from '#storage/index';
import { withinFlush } from './ending.ts';
import { createGuard, DEPENDENCY_BREAKER } from './breakers.ts';
import { makeFolder } from './make-folder.ts';

export interface StorageParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Observer;
  readonly breakers: BreakerRegistry;
}

const PURGE_EVERY_MS = 3_600_000;
const PURGE_ROWS = 5_000;
/** Each takes its turns and facts with it, in one statement. */
const PURGE_CONVERSATIONS = 200;
const DAY_MS = 86_400_000;
/** A month's budget, and as much again to look back on. */
const SPEND_DAYS = 62;

export async function openHubStorage({ config, clock, logger, observer, breakers }: StorageParts): Promise<Storage> {
  const { url, dataDir, pool, slowQueryMs } = config.storage;
  makeFolder(dataDir);
  const guard = createGuard(breakers.get('database', DEPENDENCY_BREAKER), isUnavailable);
  const target =
    url === undefined
      ? ({ kind: 'embedded', dataDir: path.resolve(dataDir), queryTimeoutMs: pool.statementTimeoutMs } as const)
      : ({ kind: 'postgres', url: url.reveal(), pool } as const);
  try {
    return await openStorage(target, { clock, observer, logger, guard, slowQueryMs });
  } catch (error) {
    if (url === undefined) throw error;
    // The driver's words name neither the setting nor, with its password, the address.
    throw new Error(`The database of storage.url (DATABASE_URL) cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/** A writer of rows behind the requests, and how it ends. */
export interface WrittenBehind<Writer> {
  readonly writer: Writer;
  /** Writes what waits, for at most five seconds. */
  close(): Promise<void>;
}

type WriterParts = Omit<StorageParts, 'config' | 'breakers'>;

/** Run records on their way to the database. */
export function keepRuns({ stores }: Pick<Storage, 'stores'>, parts: WriterParts): WrittenBehind<RunWriter> {
  return writtenBehind('runs', createRunWriter({ store: stores.runs, ...parts }), parts);
}

/** What was said in runs, on its way. */
export function keepContents({ stores }: Storage, parts: WriterParts): WrittenBehind<BatchWriter<ContentRecord>> {
  return writtenBehind('contents', createContentWriter({ store: stores.contents, ...parts }), parts);
}

function writtenBehind<Writer extends Pick<RunWriter, 'backlog' | 'flush'>>(
  what: string,
  writer: Writer,
  { clock, logger }: Pick<StorageParts, 'clock' | 'logger'>,
): WrittenBehind<Writer> {
  return {
    writer,
    close: () =>
      withinFlush(clock, (signal) => writer.flush(signal)).catch((error: unknown) =>
        logger.warn(`${what}-lost`, { count: writer.backlog, reason: messageOf(error) }),
      ),
  };
}

interface Aged {
  readonly what: string;
  readonly rowsMax?: number;
  /** Does so many rows, and says how many there were. */
  readonly batch: (rows: number) => Promise<number>;
}

/** In their order: reports read the sums of usage in place of its rows. */
function agedOf(stores: Stores, days: Config['storage'], wallMs: number): readonly Aged[] {
  const { runs, usage, audit, contents, keys, conversations, memories, claims, spend } = stores;
  const before = (retentionDays: number): number => wallMs - retentionDays * DAY_MS;
  /** Where the operator names no time it is kept until somebody deletes it. */
  const old = (what: string, retentionDays: number, store: Pick<typeof runs, 'purge'>): Aged[] =>
    retentionDays === 0 ? [] : [{ what, batch: (rows) => store.purge(before(retentionDays), rows) }];
  // Of months that are over for a day, so that late rows are in; and of what is deleted next.
  const summed = Math.max(monthOf(before(1)), before(days.usageRetentionDays));
  const months = monthOf(before(Math.max(days.usageMonthRetentionDays, days.usageRetentionDays)));
  return [
    { what: 'usage-sums', batch: (rows) => usage.rollUp(summed, rows) },
    ...old('runs', days.runRetentionDays, runs),
    ...old('usage', days.usageRetentionDays, usage),
    { what: 'usage-months', batch: (rows) => usage.purgeMonths(months, rows) },
    ...old('audit', days.auditRetentionDays, audit),
    // By its run alone is what was said found and erased: it does not outlive it.
    ...old('contents', Math.min(days.contentRetentionDays, days.runRetentionDays), contents),
    ...old('keys', days.revokedKeyRetentionDays, keys),
    ...old('memories', days.memoryRetentionDays, memories),
    ...old('conversations', days.conversationRetentionDays, conversations).map((each) => ({
      ...each,
      rowsMax: PURGE_CONVERSATIONS,
    })),
    { what: 'claims', batch: (rows) => claims.purge(wallMs, rows) },
    {
      what: 'spend',
      batch: async () => {
        await spend.purge(Math.floor(wallMs / DAY_MS) - SPEND_DAYS);
        return 0;
      },
    },
  ];
}

/** Until a batch is not full. One that fails is tried with fewer rows: what is large takes longer than a statement may. */
async function inBatches({ batch, rowsMax = PURGE_ROWS }: Aged): Promise<void> {
  for (let rows = rowsMax, done = rows; done === rows;) {
    try {
      done = await batch(rows);
    } catch (error) {
      if (rows === 1) throw error;
      rows = Math.ceil(rows / 4);
      done = rows;
    }
  }
}

/** Once an hour: sums up the usage of months that are over, and deletes what is past its time. Returns what ends it. */
export function purgeWithAge(
  { stores }: Pick<Storage, 'stores'>,
  { config, clock, logger }: Pick<StorageParts, 'config' | 'clock' | 'logger'>,
): { stop(): void } {
  let timer: Timer | undefined;
  let stopped = false;
  async function purge(): Promise<void> {
    for (const aged of agedOf(stores, config.storage, clock.wallMs())) {
      if (stopped) return;
      // What cannot be deleted holds up nothing else.
      await inBatches(aged).catch((error: unknown) => {
        // A database that is closed under it is no news.
        if (!stopped) logger.warn('purge-failed', { what: aged.what, reason: messageOf(error) });
      });
    }
  }
  function arm(): void {
    if (!stopped) timer = clock.schedule(PURGE_EVERY_MS, () => void purge().finally(arm));
  }
  arm();
  return {
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
