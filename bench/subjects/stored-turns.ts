/**
 * What `bench/turns.ts` asks for: conversations, turns and facts of four projects, the first of which holds half of everything, made by
 * the database itself in the columns and indexes that the hub made. Words are drawn so that the first is in most turns, the last in few.
 */
import { sql } from 'kysely';
import { wordsOf } from '../../src/storage/repositories/turn-search.ts';
import { storedEmbedding } from '../../src/storage/repositories/memory-vectors.ts';
import type { Storage } from '#storage/index';

export interface StoredSize {
  readonly turns: number;
  readonly memories: number;
}

export const TURNS_A_CONVERSATION = 20;
export const WORDS = 50_000;
export const EMBEDDING_MODEL = 'bench';
const WORDS_A_TEXT = 24;
const DIMENSIONS = 384;
/** Vectors that the facts share: each is stored with its fact all the same. */
const VECTORS = 1_000;
/** What a scope of its own holds; half of all facts are in the scope `project` of the first project. */
const FACTS_A_SCOPE = 200;

export const PROJECT = 'prj_1';

export function conversationId(number: number): string {
  return `cnv_${String(number).padStart(26, '0')}`;
}

export function agentId(number: number): string {
  return `agt_${String(number).padStart(26, '0')}`;
}

export function randomVector(): number[] {
  return Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5);
}

/** Fills an empty, migrated database. Indexes over words are made after the rows, which takes a fraction of the time. */
export async function fill({ db }: Storage, { turns, memories }: StoredSize): Promise<void> {
  await db.connection().execute(async (one) => {
    const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(one);
    // Every row is made to fit; a check of each would only take time.
    await run(`set session_replication_role = replica`);
    await run(`set maintenance_work_mem = '512MB'`);
    const indexes = await sql<{ name: string; definition: string }>`
      select indexname as name, indexdef as definition from pg_indexes where indexname in ('turns_by_words', 'memories_by_words')`.execute(
      one,
    );
    for (const { name } of indexes.rows) await run(`drop index ${name}`);
    await run(`insert into projects (id, organisation_id, name, created_ms)
      select 'prj_' || n, (select id from organisations limit 1), 'p' || n, 0 from generate_series(1, 4) as n`);
    // Conversations of the first project are every second one.
    const project = `'prj_' || case when n % 2 = 0 then 1 else 2 + n / 2 % 3 end`;
    await run(`insert into conversations (project_id, id, agent_id, title, turns, summary_up_to, created_ms, updated_ms)
      select ${project}, 'cnv_' || lpad(n::text, 26, '0'), 'agt_' || lpad((n % 100)::text, 26, '0'), 'About ' || n,
        ${TURNS_A_CONVERSATION}, 0, n, n from generate_series(1, ${turns / TURNS_A_CONVERSATION}) as n`);
    await sql`
      insert into turns (project_id, conversation_id, number, id, state, input, output, end_reason, tools, run_ids, started_ms, ended_ms, words)
      select project_id, conversation_id, number, 'trn_' || lpad(at::text, 26, '0'), 'whole',
        json_build_array(json_build_object('role', 'user', 'content', text)),
        json_build_array(json_build_object('role', 'assistant', 'content', 'Yes.')),
        'stop', '[]', '{}', at, at, ${wordsOf(sql`project_id`, sql`text`)}
      from (select conversations.project_id, conversations.id as conversation_id, number, created_ms * 100 + number as at, text
        from conversations cross join generate_series(1, ${sql.raw(String(TURNS_A_CONVERSATION))}) as number
        cross join lateral ${text('number')} as said (text)) as made`.execute(one);
    await fillMemories(one, memories);
    for (const { definition } of indexes.rows) await run(definition);
  });
  for (const table of ['conversations', 'turns', 'memories']) await sql`vacuum analyze ${sql.table(table)}`.execute(db);
}

async function fillMemories(db: Storage['db'], memories: number): Promise<void> {
  await sql`create temp table vectors (n integer, dimensions integer, signs bit varying, embedding bytea)`.execute(db);
  for (let n = 0; n < VECTORS; n++) {
    const stored = storedEmbedding({ model: EMBEDDING_MODEL, values: randomVector() });
    if (stored === null) throw new Error('a random vector has no direction');
    await sql`insert into vectors values (${n}, ${stored.dimensions}, ${stored.signs}::varbit, ${stored.embedding})`.execute(
      db,
    );
  }
  const scope = `case when n % 2 = 0 then 'project' else 'agent:agt_' || lpad((n / ${2 * FACTS_A_SCOPE})::text, 26, '0') end`;
  await sql`
    insert into memories (project_id, id, scope, text, words, embedding_model, dimensions, signs, embedding, embed_after_ms, created_ms)
    select project_id, id, scope, text, array_to_tsvector(array['in ' || project_id || ' ' || scope]) || to_tsvector('english', text),
      ${EMBEDDING_MODEL}, dimensions, signs, embedding, 0, at
    from (select case when n % 4 = 3 then 'prj_2' else 'prj_1' end as project_id, 'mem_' || lpad(n::text, 26, '0') as id,
        ${sql.raw(scope)} as scope, text, n as at, n % ${sql.raw(String(VECTORS))} as vector
      from generate_series(1, ${sql.raw(String(memories))}) as n cross join lateral ${text('n')} as said (text)) as made
    join vectors on vectors.n = made.vector`.execute(db);
}

/** Words of a text; `row` ties it to a row, lest all rows share one text. */
function text(row: string): ReturnType<typeof sql<string>> {
  return sql.raw(`(select string_agg('w' || floor(${WORDS} * power(random(), 3))::integer, ' ')
    from generate_series(1, ${WORDS_A_TEXT}) as word where ${row} is not null)`);
}
