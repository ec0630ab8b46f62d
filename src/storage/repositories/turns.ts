/**
 * Turns in the database. Beginning and ending one is one statement each, whose outcome hangs on the conversation's row: of two instances
 * that begin a turn at once one does, and a turn that was given up, taken over or deleted cannot be ended by its old owner.
 */
import { sql } from 'kysely';
import type { Kysely, Selectable } from 'kysely';
import type { ConversationStore, TurnRecord, TurnState } from '#contract/conversations';
import type { Ask } from '../ask.ts';
import type { ConversationsTable, Schema, TurnsTable } from '../schema.ts';
import { storableJson } from '../storable.ts';
import { searchableText, wordsOf } from './turn-search.ts';

export function databaseTurns(ask: Ask): Pick<ConversationStore, 'beginTurn' | 'extendTurns' | 'endTurn' | 'turns'> {
  return {
    beginTurn: ({ id, conversationId, projectId, input, startedWallMs }, leaseUntilWallMs) =>
      ask('turns.begin', async (db) => {
        const words = wordsOf(sql`${projectId}::text`, sql`${searchableText(input)}`);
        const { rows } = await sql<{ number: number }>`
          with taken as (
            update conversations
            set turns = turns + 1, running_turn = ${id}, lease_ms = ${leaseUntilWallMs}, updated_ms = ${startedWallMs}
            where project_id = ${projectId} and id = ${conversationId}
              and (running_turn is null or lease_ms < ${startedWallMs})
            returning turns as number),
          left_behind as (
            update turns set state = 'broken', ended_ms = ${startedWallMs}
            from taken
            where project_id = ${projectId} and conversation_id = ${conversationId} and turns.number = taken.number - 1
              and state = 'running')
          insert into turns (project_id, conversation_id, number, id, state, input, output, tools, run_ids, started_ms, words)
          select ${projectId}, ${conversationId}, number, ${id}, 'running', ${storableJson(input)}::json, '[]', '[]', '{}',
            ${startedWallMs}::bigint, ${words}
          from taken
          returning number`.execute(db);
        const [begun] = rows;
        if (begun !== undefined) return { number: begun.number };
        const there = await db
          .selectFrom('conversations')
          .select('id')
          .where('project_id', '=', projectId)
          .where('id', '=', conversationId)
          .executeTakeFirst();
        return there === undefined ? 'missing' : 'busy';
      }),
    extendTurns: (turnIds, leaseUntilWallMs) =>
      ask('turns.extend', async (db) => {
        await sql`update conversations set lease_ms = ${leaseUntilWallMs} where running_turn = any(${[...turnIds]})`.execute(
          db,
        );
      }),
    endTurn: (projectId, turnId, { state, output, end, errorCode, tools, runIds, endedWallMs }) =>
      ask('turns.end', async (db) => {
        const words = wordsOf(sql`${projectId}::text`, sql`${searchableText(output)}`);
        // The conversation's row first, as when a turn begins: in the other order the two would wait for each other.
        const { numAffectedRows } = await sql`
          with freed as (
            update conversations set running_turn = null, lease_ms = null, updated_ms = ${endedWallMs}
            where project_id = ${projectId} and running_turn = ${turnId}
            returning id, turns as number)
          update turns
          set state = ${state}, output = ${storableJson(output)}, end_reason = ${end}, error_code = ${errorCode},
            tools = ${storableJson(tools)}, run_ids = ${[...runIds]}, ended_ms = ${endedWallMs}, words = words || ${words}
          from freed
          where project_id = ${projectId} and conversation_id = freed.id and turns.number = freed.number`.execute(db);
        return (numAffectedRows ?? 0n) > 0n;
      }),
    turns: (projectId, conversationId, { before, limit }, wallMs) =>
      ask('turns.list', async (db) => {
        let query = readable(db)
          .where('turns.project_id', '=', projectId)
          .where('conversation_id', '=', conversationId);
        if (before !== undefined) query = query.where('number', '<', before);
        const rows = await query.orderBy('number', 'desc').limit(limit).execute();
        return rows.map((row) => turnOf(row, wallMs));
      }),
  };
}

/** How much of it a search looks in: what an insert of it costs most for. */
export function searchedChars({ input, output }: TurnRecord): number {
  return searchableText(input).length + searchableText(output).length;
}

/** Turns of conversations that are there. One that is said to run is broken: nobody works on it here. */
export async function insertTurns(db: Kysely<Schema>, turns: readonly TurnRecord[]): Promise<void> {
  const rows = storableJson(
    turns.map((turn) => ({
      project_id: turn.projectId,
      conversation_id: turn.conversationId,
      number: turn.number,
      id: turn.id,
      state: turn.state === 'running' ? 'broken' : turn.state,
      input: turn.input,
      output: turn.output,
      end_reason: turn.end,
      error_code: turn.errorCode,
      tools: turn.tools,
      run_ids: turn.runIds,
      started_ms: turn.startedWallMs,
      ended_ms: turn.endedWallMs,
      text: searchableText(turn.input) + searchableText(turn.output),
    })),
  );
  await sql`insert into turns (project_id, conversation_id, number, id, state, input, output, end_reason, error_code, tools, run_ids,
      started_ms, ended_ms, words)
    select project_id, conversation_id, number, id, state, input, output, end_reason, error_code, tools, run_ids, started_ms, ended_ms,
      ${wordsOf(sql`project_id`, sql`text`)}
    from json_to_recordset(${rows}::json) as row (project_id text, conversation_id text, number integer, id text, state text,
      input json, output json, end_reason text, error_code text, tools json, run_ids text[], started_ms bigint, ended_ms bigint,
      text text)`.execute(db);
}

type ReadTurn = Omit<Selectable<TurnsTable>, 'words'> & Pick<Selectable<ConversationsTable>, 'lease_ms'>;

function readable(db: Kysely<Schema>) {
  return db
    .selectFrom('turns')
    .innerJoin('conversations', (join) =>
      join
        .onRef('conversations.project_id', '=', 'turns.project_id')
        .onRef('conversations.id', '=', 'turns.conversation_id'),
    )
    .select([
      'turns.project_id',
      'conversation_id',
      'number',
      'turns.id',
      'state',
      'input',
      'output',
      'end_reason',
      'error_code',
      'tools',
      'run_ids',
      'started_ms',
      'ended_ms',
      'lease_ms',
    ]);
}

function turnOf(row: ReadTurn, wallMs: number): TurnRecord {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    projectId: row.project_id,
    number: row.number,
    state: stateOf(row, wallMs),
    input: row.input,
    output: row.output,
    end: row.end_reason,
    errorCode: row.error_code,
    tools: row.tools,
    runIds: row.run_ids,
    startedWallMs: row.started_ms,
    endedWallMs: row.ended_ms,
  };
}

function stateOf(row: ReadTurn, wallMs: number): TurnState {
  if (row.state !== 'running') return row.state;
  return row.lease_ms !== null && row.lease_ms >= wallMs ? 'running' : 'broken';
}
