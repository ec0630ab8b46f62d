/** Claims of idempotency keys. One statement takes a claim, so that of two instances that ask at once one gets it. */
import { sql } from 'kysely';
import type { ClaimStore } from '#contract/stores';
import type { Ask } from '../ask.ts';

export function databaseClaimStore(ask: Ask): ClaimStore {
  return {
    take: ({ id, projectId, owner, fingerprint }, wallMs, untilWallMs) =>
      ask('claims.take', async (db) => {
        const taken = await sql`insert into claims (id, project_id, owner, fingerprint, done, until_ms)
          values (${id}, ${projectId}, ${owner}, ${fingerprint}, false, ${untilWallMs})
          on conflict (id) do update
            set owner = excluded.owner, fingerprint = excluded.fingerprint, done = false, until_ms = excluded.until_ms
            where claims.until_ms < ${wallMs}
          returning id`.execute(db);
        if (taken.rows.length > 0) return null;
        const there = await db
          .selectFrom('claims')
          .select(['fingerprint', 'done'])
          .where('id', '=', id)
          .executeTakeFirst();
        // It was released between the two statements: whoever had it is as good as running.
        return there ?? { fingerprint, done: false };
      }),
    extend: (owners, untilWallMs) =>
      ask('claims.extend', async (db) => {
        await sql`update claims set until_ms = ${untilWallMs} where owner = any(${[...owners]}) and not done`.execute(
          db,
        );
      }),
    finish: (id, owner, untilWallMs) =>
      ask('claims.finish', async (db) => {
        await db
          .updateTable('claims')
          .set({ done: true, until_ms: untilWallMs })
          .where('id', '=', id)
          .where('owner', '=', owner)
          .execute();
      }),
    release: (id, owner) =>
      ask('claims.release', async (db) => {
        await db.deleteFrom('claims').where('id', '=', id).where('owner', '=', owner).execute();
      }),
    purge: (wallMs, rowsMax) =>
      ask('claims.purge', async (db) => {
        const { numAffectedRows } = await sql`delete from claims where id = any(array(
          select id from claims where until_ms < ${wallMs} order by until_ms limit ${rowsMax}))`.execute(db);
        return Number(numAffectedRows ?? 0n);
      }),
  };
}
