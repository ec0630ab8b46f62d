/** What administrators did, newest first. */
import { sql } from 'kysely';
import type { AuditStore } from '#contract/stores';
import type { Ask } from '../ask.ts';
import { storableJson, storableText } from '../storable.ts';

export function databaseAuditStore(ask: Ask): AuditStore {
  return {
    append: (record) =>
      ask('audit.append', async (db) => {
        await db
          .insertInto('audit')
          .values({
            id: record.id,
            project_id: record.projectId,
            at_ms: record.atWallMs,
            actor: record.actor,
            action: record.action,
            subject: storableText(record.subject),
            detail: storableJson(record.detail),
          })
          .execute();
      }),
    list: (projectId, { before, limit }, filter = {}) =>
      ask('audit.list', async (db) => {
        let query = db.selectFrom('audit').selectAll().where('project_id', '=', projectId);
        if (before !== undefined) query = query.where('id', '<', before);
        for (const column of ['actor', 'action', 'subject'] as const) {
          const wanted = filter[column];
          if (wanted !== undefined) query = query.where(column, '=', storableText(wanted));
        }
        const rows = await query.orderBy('id', 'desc').limit(limit).execute();
        return rows.map((row) => ({
          id: row.id,
          projectId: row.project_id,
          atWallMs: row.at_ms,
          actor: row.actor,
          action: row.action,
          subject: row.subject,
          detail: row.detail,
        }));
      }),
    purge: (wallMs, rowsMax) =>
      ask('audit.purge', async (db) => {
        const { numAffectedRows } = await sql`delete from audit where id = any(array(
          select id from audit where at_ms < ${wallMs} order by at_ms limit ${rowsMax}))`.execute(db);
        return Number(numAffectedRows ?? 0n);
      }),
  };
}
