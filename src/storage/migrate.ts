/**
 * Brings the tables to this version when the hub starts, in one transaction. Instances that start together take turns by an advisory
 * lock. Migrations expand before they contract, so that the version before runs on the same tables:
 * a name that this version does not know is therefore no error, and one that it knows with other text is.
 */
import { createHash } from 'node:crypto';
import { Kysely, sql } from 'kysely';
import type { Transaction } from 'kysely';
import { postgresqlDialect } from './driver.ts';
import type { SessionSource } from './driver.ts';
import { migrations } from './migrations/index.ts';
import type { Migration } from './migrations/index.ts';
import type { Schema } from './schema.ts';

/** Any number that nobody else on the database uses: the letters of "rvk". */
const LOCK_KEY = 0x72766b;
/** An index over a grown table takes minutes, and so does the wait for the instance that is just making it. */
const STATEMENT_MS = 600_000;

/** Returns the names that were applied now. Throws where a migration that was applied has been edited since. */
export async function migrate(
  source: Pick<SessionSource, 'acquire'>,
  list: readonly Migration[] = migrations,
): Promise<string[]> {
  const db = new Kysely<Schema>({
    dialect: postgresqlDialect({ acquire: () => source.acquire(STATEMENT_MS) }),
  });
  return db.transaction().execute(async (transaction) => {
    await sql`set local statement_timeout = ${sql.lit(STATEMENT_MS)}`.execute(transaction);
    await sql`select pg_advisory_xact_lock(${sql.lit(LOCK_KEY)})`.execute(transaction);
    await prepare(transaction);
    const applied = new Map(
      (await transaction.selectFrom('revoagent_migrations').select(['name', 'digest']).execute()).map((row) => [
        row.name,
        row.digest,
      ]),
    );
    const added: string[] = [];
    for (const migration of list) {
      const digest = digestOf(migration);
      const known = applied.get(migration.name);
      if (known === digest) continue;
      if (known !== undefined)
        throw new Error(
          `The migration ${migration.name} was edited after it was applied to this database. Put it back as it was and write a new one.`,
        );
      for (const statement of migration.statements) await sql.raw(statement).execute(transaction);
      await transaction.insertInto('revoagent_migrations').values({ name: migration.name, digest }).execute();
      added.push(migration.name);
    }
    return added;
  });
}

/** A database that has been met is only read: its hubs need no right to make tables until there is one to be made. */
async function prepare(transaction: Transaction<Schema>): Promise<void> {
  const { rows } = await sql<{ known: boolean; encoding: string }>`
    select to_regclass('revoagent_migrations') is not null as known, current_setting('server_encoding') as encoding`.execute(
    transaction,
  );
  const [found] = rows;
  if (found?.known === true) return;
  if (found?.encoding !== 'UTF8')
    throw new Error(
      `its encoding is ${found?.encoding}, which cannot hold every text. Make one with: create database … encoding 'UTF8' template template0`,
    );
  await sql`create table revoagent_migrations (
    name text primary key, digest text not null, applied_ms bigint not null default (extract(epoch from now()) * 1000)::bigint)`.execute(
    transaction,
  );
}

function digestOf(migration: Migration): string {
  return createHash('sha256').update(migration.statements.join(';\n')).digest('hex');
}
