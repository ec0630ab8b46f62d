/** Keys in the database. The hash is stored, never the secret. */
import { sql } from 'kysely';
import type { Selectable } from 'kysely';
import type { Scope } from '#contract/gateway';
import { SCOPES } from '#contract/gateway';
import type { KeyRecord, KeyStore } from '#contract/stores';
import type { KeysTable } from '../schema.ts';
import type { Ask } from '../ask.ts';
import { storableText } from '../storable.ts';

const KNOWN: readonly string[] = SCOPES;

export function databaseKeyStore(ask: Ask): KeyStore {
  return {
    insert: (key) =>
      ask('keys.insert', async (db) => {
        await db
          .insertInto('keys')
          .values({
            id: key.id,
            project_id: key.projectId,
            name: storableText(key.name),
            scopes: [...key.scopes],
            secret_hash: key.secretHash,
            created_ms: key.createdWallMs,
            revoked_ms: key.revokedWallMs,
            limits: JSON.stringify(key.limits ?? {}),
          })
          .execute();
      }),
    findById: (id) =>
      ask('keys.find', async (db) => {
        const row = await db
          .selectFrom('keys')
          .innerJoin('projects', 'projects.id', 'keys.project_id')
          .selectAll('keys')
          .select(['projects.organisation_id', 'projects.limits as project_limits'])
          .where('keys.id', '=', id)
          .executeTakeFirst();
        if (row === undefined) return null;
        return { ...keyOf(row), organisationId: row.organisation_id, projectLimits: row.project_limits };
      }),
    list: (projectId, { before, limit }) =>
      ask('keys.list', async (db) => {
        let query = db.selectFrom('keys').selectAll().where('project_id', '=', projectId);
        if (before !== undefined) query = query.where('id', '<', before);
        return (await query.orderBy('id', 'desc').limit(limit).execute()).map(keyOf);
      }),
    revoke: (projectId, id, wallMs) =>
      ask('keys.revoke', async (db) => {
        const { numUpdatedRows } = await db
          .updateTable('keys')
          .set({ revoked_ms: wallMs })
          .where('id', '=', id)
          .where('project_id', '=', projectId)
          .where('revoked_ms', 'is', null)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      }),
    ...limitStatements(ask),
    purge: (wallMs, rowsMax) =>
      ask('keys.purge', async (db) => {
        const { numAffectedRows } = await sql`delete from keys where id = any(array(
          select id from keys where revoked_ms < ${wallMs} order by revoked_ms limit ${rowsMax}))`.execute(db);
        return Number(numAffectedRows ?? 0n);
      }),
    anyActive: () =>
      ask('keys.any-active', async (db) => {
        const row = await db
          .selectFrom('keys')
          .select('id')
          .where('revoked_ms', 'is', null)
          .orderBy('id')
          .limit(1)
          .executeTakeFirst();
        return row !== undefined;
      }),
  };
}

function limitStatements(ask: Ask): Pick<KeyStore, 'setLimits' | 'setProjectLimits' | 'projectLimits'> {
  return {
    setLimits: (projectId, id, limits) =>
      ask('keys.set-limits', async (db) => {
        const { numUpdatedRows } = await db
          .updateTable('keys')
          .set({ limits: JSON.stringify(limits) })
          .where('id', '=', id)
          .where('project_id', '=', projectId)
          .where('revoked_ms', 'is', null)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      }),
    setProjectLimits: (projectId, limits) =>
      ask('projects.set-limits', async (db) => {
        await db
          .updateTable('projects')
          .set({ limits: JSON.stringify(limits) })
          .where('id', '=', projectId)
          .execute();
      }),
    projectLimits: (projectId) =>
      ask('projects.limits', async (db) => {
        const row = await db.selectFrom('projects').select('limits').where('id', '=', projectId).executeTakeFirst();
        return row?.limits ?? {};
      }),
  };
}

function keyOf(row: Selectable<KeysTable>): KeyRecord {
  return {
    id: row.id,
    projectId: row.project_id,
    name: row.name,
    scopes: row.scopes.filter((scope): scope is Scope => KNOWN.includes(scope)),
    secretHash: row.secret_hash,
    createdWallMs: row.created_ms,
    revokedWallMs: row.revoked_ms,
    limits: row.limits,
  };
}
