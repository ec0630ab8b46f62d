/** Storage as the hub opens it, over a database of the test, with all it told its surroundings kept for the test to read. */
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import type { Guard } from '#contract/guard';
import type { LogFields, Logger } from '#contract/logger';
import type { Observer, QueryFinished } from '#contract/observer';
import { openStorage } from '#storage/index';
import type { PoolOptions, Storage, StorageTarget } from '#storage/index';
import { unobserved } from './unobserved.ts';

export interface Told {
  readonly queries: QueryFinished[];
  /** Waits for a connection, in milliseconds. */
  readonly waits: number[];
  readonly logged: { readonly event: string; readonly fields: LogFields }[];
  dropped: number;
}

export interface TestStorage {
  readonly storage: Storage;
  readonly told: Told;
}

/** What the hub is configured with unless somebody says otherwise, but with connections enough for one test. */
export const POOL: PoolOptions = { max: 4, waitMs: 2_000, idleMs: 30_000, statementTimeoutMs: 2_000, mode: 'session' };

/** The breaker has tests of its own; here every call goes through. */
export const openGuard: Guard = { name: 'database', run: (operation) => operation(new AbortController().signal) };

export async function openTestStorage(
  target: StorageTarget,
  { slowQueryMs = 60_000, clock = systemClock }: { slowQueryMs?: number; clock?: Clock } = {},
): Promise<TestStorage> {
  const told = nothingTold();
  const { observer, logger } = listeners(told);
  return { storage: await openStorage(target, { clock, observer, logger, guard: openGuard, slowQueryMs }), told };
}

export function nothingTold(): Told {
  return { queries: [], waits: [], logged: [], dropped: 0 };
}

export function listeners(told: Told): { observer: Observer; logger: Logger } {
  const log = (event: string, fields: LogFields = {}): void => void told.logged.push({ event, fields });
  return {
    logger: { debug: log, info: log, warn: log, error: log },
    observer: {
      ...unobserved,
      queryFinished: (event) => void told.queries.push(event),
      poolWaited: (waitedMs) => void told.waits.push(waitedMs),
      runsDropped: (count) => {
        told.dropped += count;
      },
      contentsDropped: (count) => {
        told.dropped += count;
      },
    },
  };
}
