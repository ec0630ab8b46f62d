/**
 * Sums of the usage ledger by month. Every row of the ledger is summed once, in the statement that marks it as summed, by whichever
 * instance comes to it first; a report over whole months adds to these sums the rows that are not in them yet.
 */
import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { Ask } from '../ask.ts';

const SUMS = [
  'requests',
  'attempts',
  'succeeded',
  'interrupted',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'unknown_tokens',
  'cost_micro_usd',
  'unknown_cost',
] as const;
const NAMES = sql.raw(SUMS.join(', '));
const ADDED = sql.raw(SUMS.map((sum) => `${sum} = usage_months.${sum} + excluded.${sum}`).join(', '));
/** What one row of the ledger adds to each sum. */
const OF_ROW = sql.raw(`(kind = 'first')::int as requests, 1 as attempts, (outcome = 'succeeded')::int as succeeded,
  (state = 'interrupted')::int as interrupted, coalesce(prompt_tokens, 0) as prompt_tokens,
  coalesce(completion_tokens, 0) as completion_tokens, coalesce(cached_tokens, 0) as cached_tokens,
  (prompt_tokens is null)::int as unknown_tokens, coalesce(cost_micro_usd, 0) as cost_micro_usd,
  (cost_micro_usd is null)::int as unknown_cost`);
const SUMMED = sql.raw(SUMS.map((sum) => `sum(${sum})::bigint as ${sum}`).join(', '));
const MONTH = sql.raw(
  `(extract(epoch from date_trunc('month', to_timestamp(started_ms / 1000) at time zone 'utc') at time zone 'utc') * 1000)::bigint`,
);

/** Whole months of UTC within a span, from the first one's start to the last one's end; null where there is none. */
export function monthsWithin(fromWallMs: number, toWallMs: number): { from: number; to: number } | null {
  const first = monthOf(fromWallMs);
  const from = first === fromWallMs ? first : monthOf(fromWallMs, 1);
  const to = monthOf(toWallMs);
  return from < to ? { from, to } : null;
}

/** The start of the month this moment is in, or of one so many later. */
export function monthOf(wallMs: number, later = 0): number {
  const date = new Date(wallMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later);
}

/** Adds at most so many rows that are older than `wallMs` to the sums; returns how many there were. */
export function rollUp(ask: Ask, wallMs: number, rowsMax: number): Promise<number> {
  return ask('usage.rollup', async (db) => {
    const { rows } = await sql<{ count: number | string }>`
      with due as (select id from usage where not rolled and started_ms < ${wallMs}
          order by started_ms limit ${rowsMax} for update skip locked),
        batch as (update usage set rolled = true where id = any(array(select id from due)) returning *),
        added as (insert into usage_months (project_id, month_ms, key_id, model, deployment, provider, ${NAMES})
          select project_id, month_ms, key_id, model, deployment, provider, ${SUMMED}
          from (select project_id, ${MONTH} as month_ms, key_id, model, deployment, provider, ${OF_ROW} from batch) as parts
          group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
          on conflict (project_id, month_ms, key_id, model, deployment, provider) do update set ${ADDED})
      select count(*) as count from batch`.execute(db);
    return Number(rows[0]?.count ?? 0);
  });
}

/** Deletes at most so many sums of months that began before `wallMs`; returns how many. */
export function purgeMonths(ask: Ask, wallMs: number, rowsMax: number): Promise<number> {
  return ask('usage.purge-months', async (db) => {
    const { numAffectedRows } = await sql`delete from usage_months where ctid = any(array(
      select ctid from usage_months where month_ms < ${wallMs} order by month_ms limit ${rowsMax}))`.execute(db);
    return Number(numAffectedRows ?? 0n);
  });
}

/** One relation with what is grouped by and the sums: months, and the rows of the ledger that are not in them. */
export function sumsOf(
  projectId: string,
  span: { fromWallMs: number; toWallMs: number },
  months: { from: number; to: number },
): RawBuilder<unknown> {
  const columns = sql.raw('key_id, model, deployment, provider');
  const rows = (from: number, to: number, more: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`select ${columns}, ${OF_ROW} from usage
      where project_id = ${projectId} and started_ms >= ${from} and started_ms < ${to} ${more}`;
  return sql`(select ${columns}, ${NAMES} from usage_months
      where project_id = ${projectId} and month_ms >= ${months.from} and month_ms < ${months.to}
    union all ${rows(months.from, months.to, sql`and not rolled`)}
    union all ${rows(span.fromWallMs, months.from, sql``)}
    union all ${rows(months.to, span.toWallMs, sql``)})`;
}
