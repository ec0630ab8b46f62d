/**
 * Facts in the database, found by words and by meaning. Both searches are bounded however many facts a scope holds: each word brings
 * a bounded number of facts to be ranked, and embeddings of the newest facts are narrowed by their signs before any is read. The two
 * rankings are joined by reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009), which needs no common scale.
 */
import { sql } from 'kysely';
import type { Kysely, QueryCreator, RawBuilder, Selectable } from 'kysely';
import { limits } from '#core/limits';
import type { MemoryRecord, MemoryScope, MemoryStore, RecalledMemory } from '#contract/memory';
import type { Ask } from '../ask.ts';
import type { MemoriesTable, Schema } from '../schema.ts';
import { storableText } from '../storable.ts';
import { nearness, storedEmbedding } from './memory-vectors.ts';
import type { StoredEmbedding } from './memory-vectors.ts';

type MemoryRow = Pick<Selectable<MemoriesTable>, 'project_id' | 'id' | 'scope' | 'text' | 'created_ms'>;

const COLUMNS = ['project_id', 'id', 'scope', 'text', 'created_ms'] as const;
const ROW = sql.raw(COLUMNS.map((name) => `memories.${name}`).join(', '));
/** The paper's constant: how little the first places weigh more than those behind them. */
const FUSION_RANKS = 60;

export function databaseMemoryStore(ask: Ask): MemoryStore {
  return {
    insert: (memory, embedding) =>
      ask('memories.insert', async (db) => {
        const text = storableText(memory.text);
        await db
          .insertInto('memories')
          .values({
            project_id: memory.projectId,
            id: memory.id,
            scope: memory.scope,
            text,
            words: sql`array_to_tsvector(array[${place(memory.projectId, memory.scope)}]) || to_tsvector('english', ${text}::text)`,
            embed_after_ms: 0,
            created_ms: memory.createdWallMs,
            ...(embedding === null ? null : storedEmbedding(embedding)),
          })
          .execute();
      }),
    find: (projectId, id) =>
      ask('memories.find', async (db) => {
        const row = await oneMemory(db, projectId, id).executeTakeFirst();
        return row === undefined ? null : memoryOf(row);
      }),
    list: (projectId, { before, limit }, { scope }) =>
      ask('memories.list', async (db) => {
        let query = db.selectFrom('memories').select(COLUMNS).where('project_id', '=', projectId);
        if (scope !== undefined) query = query.where('scope', '=', scope);
        if (before !== undefined) query = query.where('id', '<', before);
        return (await query.orderBy('id', 'desc').limit(limit).execute()).map(memoryOf);
      }),
    delete: (projectId, id) =>
      ask('memories.delete', async (db) => {
        const { numDeletedRows } = await db
          .deleteFrom('memories')
          .where('project_id', '=', projectId)
          .where('id', '=', id)
          .executeTakeFirst();
        return numDeletedRows > 0n;
      }),
    purge: (wallMs, rowsMax) => ask('memories.purge', (db) => purgeOld(db, wallMs, rowsMax)),
    search: async (projectId, scopes, { text, embedding }, limit) => {
      const vector = embedding === null ? null : storedEmbedding(embedding);
      const [byWords, byMeaning] = await Promise.all([
        ask('memories.search-words', (db) => searchWords(db, projectId, scopes, text)),
        vector === null ? [] : ask('memories.search-meaning', (db) => searchMeaning(db, projectId, scopes, vector)),
      ]);
      return fused([byWords, byMeaning]).slice(0, limit);
    },
    takeToEmbed: (...asked) => ask('memories.take-to-embed', (db) => takeToEmbed(db, ...asked)),
    setEmbedding: (projectId, id, embedding) =>
      ask('memories.set-embedding', async (db) => {
        const stored = storedEmbedding(embedding);
        if (stored !== null) await embedded(db, projectId, id, stored).execute();
      }),
  };
}

async function takeToEmbed(
  db: Kysely<Schema>,
  ...[model, wallMs, { leastMs, mostMs }, limit]: Parameters<MemoryStore['takeToEmbed']>
): Promise<MemoryRecord[]> {
  const free = (which: RawBuilder<unknown>) => sql`(select project_id, id from memories
    where ${which} and embed_after_ms <= ${wallMs} order by embedding_model, embed_after_ms limit ${limit}
    for update skip locked)`;
  const { rows } = await sql<MemoryRow>`
    with none as ${free(sql`embedding_model is null`)}, lower as ${free(sql`embedding_model < ${model}`)},
      higher as ${free(sql`embedding_model > ${model}`)},
      taken as materialized (
        select * from none union all select * from lower union all select * from higher limit ${limit})
    update memories set embed_after_ms = ${wallMs}::bigint
      + least(greatest(${wallMs}::bigint - created_ms, ${leastMs}::bigint), ${mostMs}::bigint) from taken
    where memories.project_id = taken.project_id and memories.id = taken.id returning ${ROW}`.execute(db);
  return rows.map(memoryOf);
}

/** By its place: of a key of two columns the planner makes a join, and reads the whole table where many are to go. */
async function purgeOld(db: Kysely<Schema>, wallMs: number, rowsMax: number): Promise<number> {
  const { numAffectedRows } = await sql`delete from memories where ctid = any(array(
    select ctid from memories where created_ms < ${wallMs} order by created_ms limit ${rowsMax}))`.execute(db);
  return Number(numAffectedRows ?? 0n);
}

/** Deletes the facts of a scope where the statement that it is part of has something in `gone`. */
export function factsOfGone(db: QueryCreator<Schema>, projectId: string, scope: MemoryScope) {
  return db
    .deleteFrom('memories')
    .where('project_id', '=', projectId)
    .where('scope', '=', scope)
    .where(sql<boolean>`exists (select from gone)`);
}

function embedded(db: Kysely<Schema>, projectId: string, id: string, stored: StoredEmbedding) {
  return db.updateTable('memories').set(stored).where('project_id', '=', projectId).where('id', '=', id);
}

function oneMemory(db: Kysely<Schema>, projectId: string, id: string) {
  return db.selectFrom('memories').select(COLUMNS).where('project_id', '=', projectId).where('id', '=', id);
}

/** The word that facts of a scope hold. No text has a word with a space in it, so nobody can write it. */
function place(projectId: string, scope: MemoryScope): string {
  return `in ${projectId} ${scope}`;
}

/** A lexeme as a query for it alone, whatever is in it. https://www.postgresql.org/docs/15/datatype-textsearch.html */
function literal(lexeme: RawBuilder<unknown>): RawBuilder<unknown> {
  const backslash = sql.lit('\\');
  return sql`('''' || replace(replace(${lexeme}, ${backslash}, ${backslash} || ${backslash}), '''', '''''') || '''')::tsquery`;
}

/** Facts that hold any of the words, those that hold more of them, closer together, first. */
async function searchWords(
  db: Kysely<Schema>,
  projectId: string,
  scopes: readonly MemoryScope[],
  text: string,
): Promise<readonly MemoryRow[]> {
  const places = scopes.map((scope) => place(projectId, scope));
  return db.transaction().execute(async (transaction) => {
    // For a word that the planner thinks common it would read the table until it met enough, through everybody's rows.
    await sql`set local enable_seqscan = off`.execute(transaction);
    const { rows } = await sql<MemoryRow>`
    with places as materialized (
        select string_agg(${literal(sql`word`)}::text, ' | ')::tsquery as query from unnest(${places}::text[]) as word),
      asked as materialized (
        select ${literal(sql`lexeme`)} as query from unnest(to_tsvector('english', ${storableText(text)}::text))
        order by length(lexeme) desc limit ${limits.recallWordsMax}),
      matching as materialized (
        select distinct one.id from asked cross join places cross join lateral (
          select id from memories where words @@ (places.query && asked.query) limit ${limits.recallMatchesMax}) as one)
    select ${ROW} from memories join matching using (id)
    where memories.project_id = ${projectId}
    order by ts_rank_cd(words, (select string_agg(query::text, ' | ')::tsquery from asked), 1) desc, id desc
    limit ${limits.recallNearestMax}`.execute(transaction);
    return rows;
  });
}

/** The nearest first. */
async function searchMeaning(
  db: Kysely<Schema>,
  projectId: string,
  scopes: readonly MemoryScope[],
  { embedding_model, dimensions, signs, embedding }: StoredEmbedding,
): Promise<readonly MemoryRow[]> {
  const { rows } = await sql<MemoryRow & { embedding: Uint8Array }>`
    with newest as materialized (
        select one.id, one.signs from unnest(${scopes}::text[]) as place cross join lateral (
          select id, signs from memories
          where project_id = ${projectId} and scope = place and embedding_model = ${embedding_model}
            and dimensions = ${dimensions}
          order by id desc limit ${limits.recallVectorsMax}) as one),
      nearest as materialized (
        select id from newest order by bit_count(signs # ${signs}::varbit), id desc limit ${limits.recallNearestMax})
    select ${ROW}, memories.embedding from memories join nearest using (id)
    where memories.project_id = ${projectId}`.execute(db);
  return rows
    .map((row) => ({ row, near: nearness(row.embedding, embedding) }))
    .toSorted((one, other) => other.near - one.near)
    .map(({ row }) => row);
}

function fused(rankings: readonly (readonly MemoryRow[])[]): RecalledMemory[] {
  const found = new Map<string, RecalledMemory>();
  for (const ranking of rankings)
    for (const [rank, row] of ranking.entries()) {
      const score = (found.get(row.id)?.score ?? 0) + 1 / (FUSION_RANKS + rank + 1);
      found.set(row.id, { ...memoryOf(row), score });
    }
  return [...found.values()].toSorted((one, other) => other.score - one.score || (one.id < other.id ? 1 : -1));
}

function memoryOf(row: MemoryRow): MemoryRecord {
  return {
    id: row.id,
    projectId: row.project_id,
    // Written by `insert` alone, which takes nothing else.
    scope: row.scope as MemoryScope,
    text: row.text,
    createdWallMs: row.created_ms,
  };
}
