/** What budgets have come to, by the first day of their period. Instances add to the same rows. */
import { sql } from 'kysely';
import type { Stores } from '#contract/stores';
import type { Ask } from '../ask.ts';
import { storableJson } from '../storable.ts';

export function databaseSpendStore(ask: Ask): Stores['spend'] {
  return {
    read: (names, startDay) =>
      ask('spend.read', async (db) => {
        const rows = await db
          .selectFrom('limit_spend')
          .select(['name', 'micro_usd'])
          .where('start_day', '=', startDay)
          .where('name', '=', sql<string>`any(${sql.val([...names])}::text[])`)
          .execute();
        return new Map(rows.map(({ name, micro_usd: spent }) => [name, spent]));
      }),
    add: ({ writer, number, rows }) =>
      ask('spend.add', async (db) => {
        const values = rows.map(({ name, startDay, microUsd }) => ({ name, start_day: startDay, micro_usd: microUsd }));
        // In one order in every instance: two that add to the same rows must not wait for each other.
        await sql`with news as (
            insert into limit_spend_batches (writer, number, written_day)
            values (${writer}, ${number}, (extract(epoch from now()) / 86400)::integer)
            on conflict (writer) do update set number = excluded.number, written_day = excluded.written_day
              where limit_spend_batches.number < excluded.number
            returning writer)
          insert into limit_spend (name, start_day, micro_usd)
          select name, start_day, micro_usd
          from news, jsonb_populate_recordset(null::limit_spend, ${storableJson(values)}::jsonb)
          order by start_day, name
          on conflict (start_day, name) do update set micro_usd = limit_spend.micro_usd + excluded.micro_usd`.execute(
          db,
        );
      }),
    purge: (startDay) =>
      ask('spend.purge', async (db) => {
        await db.deleteFrom('limit_spend').where('start_day', '<', startDay).execute();
        await db.deleteFrom('limit_spend_batches').where('written_day', '<', startDay).execute();
      }),
  };
}
