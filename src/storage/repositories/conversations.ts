/** Conversations in the database; their turns are in `turns.ts`. */
import { sql } from 'kysely';
import type { Kysely, Selectable } from 'kysely';
import type { ConversationRecord, ConversationStore } from '#contract/conversations';
import type { Ask } from '../ask.ts';
import { isTaken } from '../ask.ts';
import type { ConversationsTable, Schema } from '../schema.ts';
import { factsOfGone } from './memories.ts';
import { storableText } from '../storable.ts';
import { searchConversations } from './turn-search.ts';
import { databaseTurns, insertTurns, searchedChars } from './turns.ts';

/** Rows and searched characters of one statement of an import: each takes a fraction of the time that a statement has. */
const IMPORT_ROWS = 200;
const IMPORT_CHARS = 400_000;

export function databaseConversationStore(ask: Ask): ConversationStore {
  return {
    ...databaseTurns(ask),
    insert: (conversation) =>
      ask('conversations.insert', async (db) => {
        await db.insertInto('conversations').values(columnsOf(conversation)).execute();
      }),
    find: (projectId, id) =>
      ask('conversations.find', async (db) => {
        const row = await readable(db, projectId).where('id', '=', id).executeTakeFirst();
        return row === undefined ? null : conversationOf(row);
      }),
    list: (projectId, { before, limit }, { agentId }) =>
      ask('conversations.list', async (db) => {
        let query = readable(db, projectId);
        if (agentId !== undefined) query = query.where('agent_id', '=', agentId);
        if (before !== undefined) query = query.where('id', '<', before);
        return (await query.orderBy('id', 'desc').limit(limit).execute()).map(conversationOf);
      }),
    search: (projectId, text, page) =>
      ask('conversations.search', async (db) => {
        const ids = await searchConversations(db, projectId, text, page);
        const rows = await readable(db, projectId)
          .where('id', '=', sql<string>`any(${ids})`)
          .orderBy('id', 'desc')
          .execute();
        return rows.map(conversationOf);
      }),
    rename: (projectId, id, title, wallMs) =>
      ask('conversations.rename', async (db) => {
        const { numUpdatedRows } = await db
          .updateTable('conversations')
          .set({ title: title === null ? null : storableText(title), updated_ms: wallMs })
          .where('project_id', '=', projectId)
          .where('id', '=', id)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      }),
    delete: (projectId, id) =>
      ask('conversations.delete', async (db) => {
        // Its turns go with it, in the same statement, and so do its facts.
        const gone = await db
          .with('gone', (one) =>
            one.deleteFrom('conversations').where('project_id', '=', projectId).where('id', '=', id).returning('id'),
          )
          .with('forgotten', (one) => factsOfGone(one, projectId, `conversation:${id}`))
          .selectFrom('gone')
          .select('id')
          .executeTakeFirst();
        return gone !== undefined;
      }),
    purge: (wallMs, rowsMax) => ask('conversations.purge', (db) => purgeOld(db, wallMs, rowsMax)),
    saveSummary: (projectId, id, summary, upTo) =>
      ask('conversations.save-summary', async (db) => {
        // Of two summaries the one that stands for more stays.
        await db
          .updateTable('conversations')
          .set({ summary: storableText(summary), summary_up_to: upTo })
          .where('project_id', '=', projectId)
          .where('id', '=', id)
          .where('summary_up_to', '<', upTo)
          .execute();
      }),
    importMany: (conversations) => ask('conversations.import', (db) => importAll(db, conversations)),
  };
}

/** By its place in the table: one that somebody goes on with meanwhile has another, and stays. */
async function purgeOld(db: Kysely<Schema>, wallMs: number, rowsMax: number): Promise<number> {
  // Facts of one conversation after the other, by the index: as a join the whole table would be read.
  const { rows } = await sql<{ count: number | string }>`
    with gone as (delete from conversations where ctid = any(array(
        select ctid from conversations where updated_ms < ${wallMs} order by updated_ms limit ${rowsMax}))
        and updated_ms < ${wallMs} returning project_id, id),
      forgotten as (delete from memories where ctid = any(array(
        select fact.ctid from gone cross join lateral (
          select memories.ctid from memories
          where memories.project_id = gone.project_id and scope = 'conversation:' || gone.id offset 0) as fact)))
    select count(*) as count from gone`.execute(db);
  return Number(rows[0]?.count ?? 0);
}

/** False where an id is taken. */
async function importAll(
  db: Kysely<Schema>,
  conversations: Parameters<ConversationStore['importMany']>[0],
): Promise<boolean> {
  const turns = conversations.flatMap((each) => each.turns);
  try {
    await db.transaction().execute(async (transaction) => {
      for (const some of slices(conversations, ({ conversation }) => conversation.summary?.length ?? 0))
        await transaction
          .insertInto('conversations')
          .values(some.map(({ conversation }) => columnsOf(conversation)))
          .execute();
      for (const some of slices(turns, searchedChars)) await insertTurns(transaction, some);
    });
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

/** In their order, each slice within both bounds. */
function slices<T>(rows: readonly T[], charsOf: (row: T) => number): T[][] {
  const all: T[][] = [];
  let chars = Infinity;
  for (const row of rows) {
    const more = charsOf(row);
    const last = all.at(-1);
    if (last === undefined || last.length >= IMPORT_ROWS || chars + more > IMPORT_CHARS) {
      all.push([row]);
      chars = more;
    } else {
      last.push(row);
      chars += more;
    }
  }
  return all;
}

const READ_CONVERSATION = [
  'project_id',
  'id',
  'title',
  'turns',
  'summary',
  'summary_up_to',
  'created_ms',
  'updated_ms',
] as const;

type ReadConversation = Pick<Selectable<ConversationsTable>, (typeof READ_CONVERSATION)[number] | 'agent_id'>;

/** The project's, with the agent only where it is still there: a deleted one costs no change of a million conversations. */
function readable(db: Kysely<Schema>, projectId: string) {
  return db
    .selectFrom('conversations')
    .select(READ_CONVERSATION)
    .select(
      sql<string | null>`(select agents.id from agents
        where agents.project_id = conversations.project_id and agents.id = conversations.agent_id)`.as('agent_id'),
    )
    .where('project_id', '=', projectId);
}

function columnsOf(
  conversation: ConversationRecord,
): Omit<Selectable<ConversationsTable>, 'running_turn' | 'lease_ms'> {
  const { title, summary } = conversation;
  return {
    project_id: conversation.projectId,
    id: conversation.id,
    agent_id: conversation.agentId,
    title: title === null ? null : storableText(title),
    turns: conversation.turns,
    summary: summary === null ? null : storableText(summary),
    summary_up_to: conversation.summaryUpTo,
    created_ms: conversation.createdWallMs,
    updated_ms: conversation.updatedWallMs,
  };
}

function conversationOf(row: ReadConversation): ConversationRecord {
  return {
    id: row.id,
    projectId: row.project_id,
    agentId: row.agent_id,
    title: row.title,
    turns: row.turns,
    summary: row.summary,
    summaryUpTo: row.summary_up_to,
    createdWallMs: row.created_ms,
    updatedWallMs: row.updated_ms,
  };
}
