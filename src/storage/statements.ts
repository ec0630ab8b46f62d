/** Statements of a room that writes its own SQL, over the same connections, behind the same guard and timed as every other. */
import { CompiledQuery } from 'kysely';
import type { Kysely } from 'kysely';
import type { Ask } from './ask.ts';
import type { Schema } from './schema.ts';

type Row = Readonly<Record<string, unknown>>;
type Query = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export interface Statements {
  readonly query: Query;
  /** READ COMMITTED, committed unless `work` rejects. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
}

/** `name`: what they are timed under. */
export function statementsAs(name: string, ask: Ask): Statements {
  const over =
    (db: Kysely<Schema>): Query =>
    async (text, values) =>
      (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;
  return {
    query: (text, values) => ask(name, (db) => over(db)(text, values)),
    transaction: (work) => ask(name, (db) => db.transaction().execute((inside) => work(over(inside)))),
  };
}
