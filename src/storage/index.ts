/** Storage as the hub opens it: the database there is, its tables at this version, and the stores over it. */
import { Kysely, sql } from 'kysely';
import type { Clock } from '#core/clock';
import type { Guard } from '#contract/guard';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { Stores } from '#contract/stores';
import { createAsk } from './ask.ts';
import type { Ask } from './ask.ts';
import { postgresqlDialect } from './driver.ts';
import { embeddedSource } from './embedded.ts';
import { migrate } from './migrate.ts';
import { postgresSource } from './postgres.ts';
import type { PoolOptions, PoolStats } from './postgres.ts';
import type { Schema } from './schema.ts';
import { storesOf } from './stores.ts';

export { isUnavailable } from './ask.ts';
export type { PoolOptions, PoolStats } from './postgres.ts';
export { createBatchWriter } from './batch-writer.ts';
export { createContentWriter } from './content-writer.ts';
export { tryLockFolder } from './folder-lock.ts';
export { createRunWriter } from './run-writer.ts';
export { monthOf } from './repositories/usage-months.ts';
export { statementsAs } from './statements.ts';

export type StorageTarget =
  | { readonly kind: 'embedded'; readonly dataDir: string; readonly queryTimeoutMs: number }
  | { readonly kind: 'postgres'; readonly url: string; readonly pool: PoolOptions };

export interface Storage {
  readonly kind: 'embedded' | 'postgres';
  readonly db: Kysely<Schema>;
  readonly stores: Stores;
  readonly ask: Ask;
  /** Names of the migrations that this start applied. */
  readonly migrated: readonly string[];
  ping(): Promise<void>;
  poolStats(): PoolStats;
  close(): Promise<void>;
}

/** Opens, migrates and returns. Throws where the database cannot be reached or the folder is another process's. */
export async function openStorage(
  target: StorageTarget,
  dependencies: { clock: Clock; observer: Observer; logger: Logger; guard: Guard; slowQueryMs: number },
): Promise<Storage> {
  const { logger } = dependencies;
  const source =
    target.kind === 'embedded'
      ? embeddedSource(target, dependencies)
      : postgresSource(target.url, target.pool, {
          ...dependencies,
          onIdleError: (error) => logger.warn('database-connection-lost', { reason: error.message }),
        });
  const db = new Kysely<Schema>({ dialect: postgresqlDialect(source) });
  try {
    const migrated = await migrate(source);
    const ask = createAsk({ ...dependencies, db });
    return {
      kind: target.kind,
      db,
      ask,
      migrated,
      stores: storesOf(ask),
      ping: () => ask('ping', async (inner) => void (await sql`select 1`.execute(inner))),
      poolStats: () => source.stats(),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}
