/** Run records in the database: columns for what is asked by, the rest as JSON. */
import { sql } from 'kysely';
import { bufferOf } from '#core/buffers';
import type { RunStore } from '#contract/stores';
import type { Ask } from '../ask.ts';
import { storableBytes } from '../storable.ts';

export function databaseRunStore(ask: Ask): RunStore {
  return {
    upsertMany: (json) =>
      ask('runs.upsert', async (db) => {
        // One parameter whatever the number of rows: the statement is prepared once and the text never grows. As jsonb all of it would be
        // made twice; `offset 0` has each record made once, and not for each of its columns.
        const records = storableBytes(bufferOf(json));
        await sql`insert into runs (id, project_id, key_id, started_ms, record)
          select record->>'id', record->>'projectId', record->>'keyId', (record->>'startedWallMs')::bigint, record
          from (select value::jsonb as record from json_array_elements(${records}::json) offset 0) as each
          on conflict (id) do update set record = excluded.record where runs.project_id = excluded.project_id`.execute(
          db,
        );
      }),
    find: (projectId, keyId, id) =>
      ask('runs.find', async (db) => {
        let query = db.selectFrom('runs').select('record').where('id', '=', id).where('project_id', '=', projectId);
        if (keyId !== undefined) query = query.where('key_id', keyId === null ? 'is' : '=', keyId);
        const row = await query.executeTakeFirst();
        return row?.record ?? null;
      }),
    list: (projectId, keyId, { before, limit }) =>
      ask('runs.list', async (db) => {
        let query = db.selectFrom('runs').select('record').where('project_id', '=', projectId);
        if (keyId !== undefined) query = query.where('key_id', keyId === null ? 'is' : '=', keyId);
        if (before !== undefined) query = query.where('id', '<', before);
        return (await query.orderBy('id', 'desc').limit(limit).execute()).map((row) => row.record);
      }),
    purge: (wallMs, rowsMax) =>
      ask('runs.purge', async (db) => {
        // As an array: joined with the ids, the planner reads the whole table when many are to go.
        const { numAffectedRows } = await sql`delete from runs where id = any(array(
          select id from runs where started_ms < ${wallMs} order by started_ms limit ${rowsMax}))`.execute(db);
        return Number(numAffectedRows ?? 0n);
      }),
  };
}
