/** What was said in runs. Erased means: the texts are gone, and no write that was on its way brings them back. */
import { sql } from 'kysely';
import type { ContentStore } from '#contract/stores';
import type { Ask } from '../ask.ts';

export function databaseContentStore(ask: Ask): ContentStore {
  return {
    insertMany: (contents) =>
      ask('contents.insert', async (db) => {
        // Both texts are JSON, in which a NUL or half a surrogate pair is written with characters that the database takes.
        const rows = JSON.stringify(
          contents.map(({ id, projectId, policy, startedWallMs, partial, truncated, messages, answer }) => ({
            id,
            project_id: projectId,
            policy,
            started_ms: startedWallMs,
            partial,
            truncated,
            messages,
            answer,
          })),
        );
        await sql`insert into contents (id, project_id, policy, started_ms, partial, truncated, messages, answer)
          select id, project_id, policy, started_ms, partial, truncated, messages, answer
          from json_to_recordset(${rows}::json) as row (id text, project_id text, policy text, started_ms bigint,
            partial boolean, truncated boolean, messages text, answer text)
          on conflict (id) do nothing`.execute(db);
      }),
    find: (projectId, id) =>
      ask('contents.find', async (db) => {
        const row = await db
          .selectFrom('contents')
          .selectAll()
          .where('id', '=', id)
          .where('project_id', '=', projectId)
          .executeTakeFirst();
        if (row === undefined) return null;
        const { policy, partial, truncated, messages, answer } = row;
        if (messages === null || answer === null) return 'erased';
        return { id, projectId, policy, startedWallMs: row.started_ms, partial, truncated, messages, answer };
      }),
    erase: ({ id, projectId, policy, startedWallMs }) =>
      ask('contents.erase', async (db) => {
        await sql`insert into contents (id, project_id, policy, started_ms, partial, truncated)
          values (${id}, ${projectId}, ${policy}, ${startedWallMs}, false, false)
          on conflict (id) do update set messages = null, answer = null, partial = false, truncated = false
          where contents.project_id = excluded.project_id`.execute(db);
      }),
    purge: (wallMs, rowsMax) =>
      ask('contents.purge', async (db) => {
        const { numAffectedRows } = await sql`delete from contents where id = any(array(
          select id from contents where started_ms < ${wallMs} order by started_ms limit ${rowsMax}))`.execute(db);
        return Number(numAffectedRows ?? 0n);
      }),
  };
}
