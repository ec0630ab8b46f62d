/** Keys in the database. The hash is stored, never the secret. */
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
          })
          .execute();
      }),
    findById: (id) =>
      ask('keys.find', async (db) => {
        const row = await db.selectFrom('keys').selectAll().where('id', '=', id).executeTakeFirst();
        return row === undefined ? null : keyOf(row);
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

function keyOf(row: Selectable<KeysTable>): KeyRecord {
  return {
    id: row.id,
    projectId: row.project_id,
    name: row.name,
    scopes: row.scopes.filter((scope): scope is Scope => KNOWN.includes(scope)),
    secretHash: row.secret_hash,
    createdWallMs: row.created_ms,
    revokedWallMs: row.revoked_ms,
  };
}
