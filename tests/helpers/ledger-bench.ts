/** A ledger over a database that can be away and a clock that the test moves, with a folder of the test and, where it is given one, a Redis. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { UnavailableError } from '#core/errors';
import { seededRandom } from '#core/random';
import type { Ledger, LedgerEntry, Settlement, UsageDispatch, UsageRecord } from '#contract/ledger';
import { openLedger } from '#ledger/ledger';
import type { UsageLedger } from '#ledger/ledger';
import { Reservations } from '#ledger/reservations';
import type { RedisPort } from '#redis/index';
import { createBatchWriter, tryLockFolder } from '#storage/index';
import { usageOf } from '../conformance/records.ts';
import { temporaryFolder, waitFor } from './hub-process.ts';
import { listeners, nothingTold, openGuard } from './storage.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface LedgerBench {
  readonly ledger: UsageLedger;
  readonly clock: VirtualClock;
  readonly database: { away: boolean; rows: Map<string, UsageRecord>; writes: number };
  readonly told: { written: number; dropped: number; unjournalled: number };
  /** How often that was logged. */
  logged(event: string): number;
  readonly folder: string;
  /** Of this ledger alone. */
  readonly own: string;
}

interface Given {
  /** Shared with others; one of its own unless given. */
  readonly folder?: string;
  /** That wait in memory. */
  readonly rowsMax?: number;
  readonly redis?: RedisPort;
  readonly incarnation?: string;
}

export async function ledgerBench(t: TestContext, given: Given = {}): Promise<LedgerBench> {
  const { folder = await temporaryFolder(t), rowsMax = 100, redis, incarnation = 'one' } = given;
  const clock = new VirtualClock();
  const database: LedgerBench['database'] = { away: false, rows: new Map(), writes: 0 };
  const told = { written: 0, dropped: 0, unjournalled: 0 };
  const heard = nothingTold();
  const { logger } = listeners(heard);
  const before = new Set(readdirSync(folder));
  const parts = { incarnation, guard: openGuard, clock, random: seededRandom(1), logger };
  const ledger = openLedger({
    folder,
    lock: tryLockFolder,
    reservations: redis === undefined ? null : new Reservations({ ...parts, redis }),
    clock,
    logger,
    observer: { ledgerRow: (end) => void told[end]++, ledgerUnjournalled: () => void told.unjournalled++ },
    createWriter: (ended) =>
      createBatchWriter<UsageRecord>({
        noun: 'usage-row',
        rowsMax,
        clock,
        logger,
        ended,
        write: async (rows) => {
          if (database.away) throw new UnavailableError('database_unavailable', 'away');
          for (const row of rows) if (!database.rows.has(row.id)) database.rows.set(row.id, structuredClone(row));
          database.writes++;
        },
      }),
  });
  const own = readdirSync(folder).find((name) => !before.has(name)) ?? assert.fail('no folder of its own');
  const logged = (event: string): number => heard.logged.filter((line) => line.event === event).length;
  return { ledger, clock, database, told, logged, folder, own: path.join(folder, own) };
}

/** A row taken apart into what the gateway tells. */
export function attempt(fields: Partial<UsageRecord> = {}): { dispatch: UsageDispatch; settlement: Settlement } {
  const {
    state: _state,
    outcome,
    promptTokens,
    completionTokens,
    cachedTokens,
    costMicroUsd,
    priceSource,
    ...dispatch
  } = usageOf('prj', fields);
  return { dispatch, settlement: { outcome, promptTokens, completionTokens, cachedTokens, costMicroUsd, priceSource } };
}

export function segments(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.log'));
}

/** Lets the file system answer, and time go by, until it is so. */
export async function passes({ clock }: LedgerBench, ask: () => boolean): Promise<void> {
  await waitFor(async () => {
    await clock.advance(1_000);
    return ask() ? true : null;
  });
}

export const never = new AbortController().signal;

export function goesOut(ledger: Ledger, dispatch: UsageDispatch): LedgerEntry {
  const entry = ledger.dispatched(dispatch);
  ledger.secure();
  return entry;
}
