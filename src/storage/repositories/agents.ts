/** Agents in the database: columns for what is asked by, all settings as JSON. A change names the version that it replaces. */
import type { Kysely, Selectable } from 'kysely';
import type { AgentRecord, AgentSettings, AgentStore } from '#contract/agents';
import type { Ask } from '../ask.ts';
import { isTaken } from '../ask.ts';
import type { AgentsTable, Schema } from '../schema.ts';
import { factsOfGone } from './memories.ts';
import { storableJson } from '../storable.ts';

export function databaseAgentStore(ask: Ask): AgentStore {
  return {
    insert: (agent) =>
      ask('agents.insert', async (db) => {
        const { numInsertedOrUpdatedRows } = await db
          .insertInto('agents')
          .values({ project_id: agent.projectId, id: agent.id, created_ms: agent.createdWallMs, ...changing(agent) })
          .onConflict((conflict) => conflict.columns(['project_id', 'name']).doNothing())
          .executeTakeFirst();
        return numInsertedOrUpdatedRows === 1n;
      }),
    find: (projectId, id) =>
      ask('agents.find', async (db) => {
        const row = await oneAgent(db, projectId, id).selectAll().executeTakeFirst();
        return row === undefined ? null : agentOf(row);
      }),
    findByName: (projectId, name) =>
      ask('agents.find-by-name', async (db) => {
        const row = await db
          .selectFrom('agents')
          .selectAll()
          .where('project_id', '=', projectId)
          .where('name', '=', name)
          .executeTakeFirst();
        return row === undefined ? null : agentOf(row);
      }),
    list: (projectId, { before, limit }, { namePrefix, model }) =>
      ask('agents.list', async (db) => {
        let query = db.selectFrom('agents').selectAll().where('project_id', '=', projectId);
        if (namePrefix !== undefined) query = query.where('name', 'like', `${literally(namePrefix)}%`);
        if (model !== undefined) query = query.where('model', '=', model);
        if (before !== undefined) query = query.where('id', '<', before);
        return (await query.orderBy('id', 'desc').limit(limit).execute()).map(agentOf);
      }),
    update: (agent) =>
      ask('agents.update', async (db) => {
        try {
          const { numUpdatedRows } = await db
            .updateTable('agents')
            .set(changing(agent))
            .where('project_id', '=', agent.projectId)
            .where('id', '=', agent.id)
            .where('version', '=', agent.version - 1)
            .executeTakeFirst();
          return numUpdatedRows > 0n ? 'updated' : await unchanged(db, agent.projectId, agent.id);
        } catch (error) {
          if (isTaken(error)) return 'name_taken';
          throw error;
        }
      }),
    delete: (projectId, id, version) =>
      ask('agents.delete', async (db) => {
        const gone = await db
          .with('gone', (one) => {
            const query = one.deleteFrom('agents').where('project_id', '=', projectId).where('id', '=', id);
            return (version === undefined ? query : query.where('version', '=', version)).returning('id');
          })
          .with('forgotten', (one) => factsOfGone(one, projectId, `agent:${id}`))
          .selectFrom('gone')
          .select('id')
          .executeTakeFirst();
        return gone === undefined ? unchanged(db, projectId, id) : 'deleted';
      }),
  };
}

function oneAgent(db: Kysely<Schema>, projectId: string, id: string) {
  return db.selectFrom('agents').where('project_id', '=', projectId).where('id', '=', id);
}

/** Why a change met no row. */
async function unchanged(db: Kysely<Schema>, projectId: string, id: string): Promise<'missing' | 'changed'> {
  const there = await oneAgent(db, projectId, id).select('version').executeTakeFirst();
  return there === undefined ? 'missing' : 'changed';
}

/** The columns of every version. */
function changing(agent: AgentRecord) {
  const { name, description, instructions, model, sampling, tools, memory, history, limits } = agent;
  const settings: AgentSettings = {
    name,
    description,
    instructions,
    model,
    sampling,
    tools,
    memory,
    history,
    limits,
  };
  return {
    name,
    model,
    version: agent.version,
    settings: storableJson(settings),
    updated_ms: agent.updatedWallMs,
  };
}

/** As a pattern that matches it alone. */
function literally(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&');
}

function agentOf(row: Selectable<AgentsTable>): AgentRecord {
  return {
    ...row.settings,
    id: row.id,
    projectId: row.project_id,
    version: row.version,
    createdWallMs: row.created_ms,
    updatedWallMs: row.updated_ms,
  };
}
