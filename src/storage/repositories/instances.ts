/** Who serves, by the database's own clock: an instance's is never compared with another's. */
import { sql } from 'kysely';
import type { InstanceStore } from '#contract/instances';
import type { Ask } from '../ask.ts';

const NOW_MS = sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

export function databaseInstanceStore(ask: Ask): InstanceStore {
  return {
    beat: (incarnation, lifeMs) =>
      ask('instances.beat', async (db) => {
        // A statement sees nothing of what it changes, so this one is counted on top. Whom another is just removing it leaves to him.
        const { rows } = await sql<{ others: number }>`
          with gone as (delete from instances where incarnation in (
              select incarnation from instances where until_ms <= ${NOW_MS} and incarnation <> ${incarnation} for update skip locked)),
            own as (insert into instances (incarnation, until_ms) values (${incarnation}, ${NOW_MS} + ${lifeMs}::integer)
              on conflict (incarnation) do update set until_ms = excluded.until_ms)
          select count(*) as others from instances where incarnation <> ${incarnation} and until_ms > ${NOW_MS}`.execute(
          db,
        );
        return 1 + (rows[0]?.others ?? 0);
      }),
    leave: (incarnation) =>
      ask('instances.leave', async (db) => {
        await db.deleteFrom('instances').where('incarnation', '=', incarnation).execute();
      }),
  };
}
