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
const FLUSH_MS = 5_000;
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

/** Gives a last write five seconds. */
export async function withinFlush(clock: Clock, flush: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const deadline = new AbortController();
  const limit = clock.schedule(FLUSH_MS, () =>
    deadline.abort(new Error(`the database did not take what waited within ${FLUSH_MS} ms`)),
  );
  try {
    await flush(deadline.signal);
  } finally {
    limit.cancel();
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
export function keepRuns({ stores }: Storage, parts: WriterParts): WrittenBehind<RunWriter> {
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
  /** After these its rows are deleted. */
  readonly days: number;
  readonly store: { purge(wallMs: number, rowsMax: number): Promise<number> };
  readonly rowsMax?: number;
}

function agedOf(
  { runs, usage, audit, contents, keys, conversations, memories }: Stores,
  days: Config['storage'],
): readonly Aged[] {
  const aged: readonly Aged[] = [
    { days: days.runRetentionDays, store: runs },
    { days: days.usageRetentionDays, store: usage },
    {
      // Reports read the sums in place of the rows: they stay as long.
      days: Math.max(days.usageMonthRetentionDays, days.usageRetentionDays),
      store: { purge: (wallMs: number, rowsMax: number) => usage.purgeMonths(monthOf(wallMs), rowsMax) },
    },
    { days: days.auditRetentionDays, store: audit },
    // By its run alone is what was said found and erased: it does not outlive it.
    { days: Math.min(days.contentRetentionDays, days.runRetentionDays), store: contents },
    { days: days.revokedKeyRetentionDays, store: keys },
    { days: days.memoryRetentionDays, store: memories },
    { days: days.conversationRetentionDays, store: conversations, rowsMax: PURGE_CONVERSATIONS },
  ];
  // Where the operator names no time it is kept until somebody deletes it.
  return aged.filter((each) => each.days > 0);
}

/** Once an hour: sums up the usage of months that are over, and deletes what is past its time. Returns what ends it. */
export function purgeWithAge(
  { stores }: Storage,
  { config, clock, logger }: Pick<StorageParts, 'config' | 'clock' | 'logger'>,
): { stop(): void } {
  const { usageRetentionDays } = config.storage;
  const aged = agedOf(stores, config.storage);
  let timer: Timer;
  /** Of months that are over for a day, so that late rows are in; and of what is deleted next. */
  async function rollUp(): Promise<void> {
    const before = Math.max(monthOf(clock.wallMs() - DAY_MS), clock.wallMs() - usageRetentionDays * DAY_MS);
    for (let rolled = PURGE_ROWS; rolled === PURGE_ROWS;) rolled = await stores.usage.rollUp(before, PURGE_ROWS);
  }
  async function purge(): Promise<void> {
    await rollUp();
    for (const { days, store, rowsMax = PURGE_ROWS } of aged) {
      const before = clock.wallMs() - days * DAY_MS;
      for (let deleted = rowsMax; deleted === rowsMax;) deleted = await store.purge(before, rowsMax);
    }
    for (let deleted = PURGE_ROWS; deleted === PURGE_ROWS;)
      deleted = await stores.claims.purge(clock.wallMs(), PURGE_ROWS);
    await stores.spend.purge(Math.floor(clock.wallMs() / DAY_MS) - SPEND_DAYS);
  }
  function arm(): void {
    timer = clock.schedule(PURGE_EVERY_MS, () => {
      purge()
        .catch((error: unknown) => logger.warn('purge-failed', { reason: messageOf(error) }))
        .finally(arm);
    });
  }
  arm();
  return { stop: () => timer.cancel() };
}
