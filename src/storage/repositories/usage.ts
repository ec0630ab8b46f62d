/**
 * The usage ledger in the database: rows that are written once, and sums over them. A row that says of an attempt that nobody knows its
 * end gives way to one that does: an instance that was taken for dead may only have been asleep.
 */
import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { UsageGrouping, UsageQuery, UsageRecord, UsageReport, UsageTotals } from '#contract/ledger';
import type { UsageStore } from '#contract/stores';
import type { Ask } from '../ask.ts';
import type { UsageTable } from '../schema.ts';
import { JsonBytes, SpareMemory } from '../json-bytes.ts';
import { storableBytes } from '../storable.ts';
import { monthsWithin, purgeMonths, rollUp, sumsOf } from './usage-months.ts';

/** Sums come as text or number, as the driver has it for numeric; every one of ours is below 2^53. */
type ReportRow = { [Name in keyof UsageTotals]: number | string } & { group: string | null };

const COLUMNS = sql.raw(
  `id, run_id, project_id, key_id, route, requested_model, deployment, provider, model, kind, started_ms, state, outcome,
   prompt_tokens, completion_tokens, cached_tokens, estimated_prompt_tokens, cost_micro_usd, price_source`,
);

const KNOWN = sql.raw(
  ['state', 'outcome', 'prompt_tokens', 'completion_tokens', 'cached_tokens', 'cost_micro_usd', 'price_source']
    .map((name) => `${name} = excluded.${name}`)
    .join(', '),
);

const GROUPS: Readonly<Record<UsageGrouping, RawBuilder<string | null>>> = {
  key: sql`key_id`,
  model: sql`model`,
  deployment: sql`deployment`,
  provider: sql`provider`,
  day: sql`to_char(to_timestamp(started_ms / 1000) at time zone 'utc', 'YYYY-MM-DD')`,
};

const TOTALS = sql`
  count(*) filter (where kind = 'first') as "requests",
  count(*) as "attempts",
  count(*) filter (where outcome = 'succeeded') as "succeeded",
  count(*) filter (where state = 'interrupted') as "interrupted",
  coalesce(sum(prompt_tokens), 0) as "promptTokens",
  coalesce(sum(completion_tokens), 0) as "completionTokens",
  coalesce(sum(cached_tokens), 0) as "cachedTokens",
  count(*) filter (where prompt_tokens is null) as "unknownTokens",
  coalesce(sum(cost_micro_usd), 0) as "costMicroUsd",
  count(*) filter (where cost_micro_usd is null) as "unknownCost"`;

/** The same of sums. */
const SUM_TOTALS = sql`
  coalesce(sum(requests), 0) as "requests",
  coalesce(sum(attempts), 0) as "attempts",
  coalesce(sum(succeeded), 0) as "succeeded",
  coalesce(sum(interrupted), 0) as "interrupted",
  coalesce(sum(prompt_tokens), 0) as "promptTokens",
  coalesce(sum(completion_tokens), 0) as "completionTokens",
  coalesce(sum(cached_tokens), 0) as "cachedTokens",
  coalesce(sum(unknown_tokens), 0) as "unknownTokens",
  coalesce(sum(cost_micro_usd), 0) as "costMicroUsd",
  coalesce(sum(unknown_cost), 0) as "unknownCost"`;

/** Of a full batch, about. */
const BATCH_BYTES = 320 * 1024;

export function databaseUsageStore(ask: Ask): UsageStore {
  const memory = new SpareMemory(BATCH_BYTES);
  return {
    insertMany: (rows) =>
      ask('usage.insert', async (db) => {
        // One parameter whatever the number of rows: the statement is prepared once and the text never grows. Of jsonb, which
        // has to be made first, a row would cost a third more.
        const json = new JsonBytes(memory.take());
        for (const row of rows) json.add(JSON.stringify(columnsOf(row)));
        const columns = storableBytes(json.bytes());
        await sql`insert into usage (${COLUMNS}) select distinct on (id) ${COLUMNS}
          from json_populate_recordset(null::usage, ${columns}::json)
          on conflict (id) do update set ${KNOWN}
          where usage.state = 'interrupted' and not usage.rolled and excluded.state = 'settled'`.execute(db);
        // After a failure somebody may still be about to send it.
        memory.giveBack(json.memory);
      }),
    report: (projectId, query) =>
      ask('usage.report', async (db) => reportOf(await reading(projectId, query).execute(db))),
    rollUp: (wallMs, rowsMax) => rollUp(ask, wallMs, rowsMax),
    purgeMonths: (wallMs, rowsMax) => purgeMonths(ask, wallMs, rowsMax),
    purge: (wallMs, rowsMax) =>
      ask('usage.purge', async (db) => {
        // As an array: joined with the ids, the planner reads the whole table when many are to go.
        const { numAffectedRows } = await sql`delete from usage where id = any(array(
          select id from usage where started_ms < ${wallMs} and rolled order by started_ms limit ${rowsMax}))`.execute(
          db,
        );
        return Number(numAffectedRows ?? 0n);
      }),
  };
}

/** The sum over everything and the sums by group of the same rows: one statement, one moment. Whole months are read as such; days are not in them. */
function reading(projectId: string, query: UsageQuery): RawBuilder<ReportRow> {
  const { fromWallMs, toWallMs, groupBy, groupsMax } = query;
  const group = groupBy === null ? sql`null::text` : GROUPS[groupBy];
  const [isTotal, sets] = groupBy === null ? [sql`1`, sql`()`] : [sql`grouping(${group})`, sql`(), (${group})`];
  const order = groupBy === 'day' ? sql`1` : sql`"attempts" desc, 1`;
  const months = groupBy === 'day' ? null : monthsWithin(fromWallMs, toWallMs);
  const [totals, from] =
    months === null
      ? [
          TOTALS,
          sql`usage where project_id = ${projectId} and started_ms >= ${fromWallMs} and started_ms < ${toWallMs}`,
        ]
      : [SUM_TOTALS, sql`${sumsOf(projectId, query, months)} as parts`];
  return sql<ReportRow>`select ${group} as "group", ${isTotal} as "isTotal", ${totals} from ${from}
    group by grouping sets (${sets}) order by 2 desc, ${order} limit ${groupsMax + 1}`;
}

function reportOf({ rows }: { readonly rows: readonly ReportRow[] }): UsageReport {
  const [totals, ...groups] = rows;
  if (totals === undefined) throw new Error('a sum over rows gave no row');
  return { totals: totalsOf(totals), groups: groups.map((row) => ({ group: row.group, ...totalsOf(row) })) };
}

function columnsOf(row: UsageRecord): Omit<UsageTable, 'rolled'> {
  return {
    id: row.id,
    run_id: row.runId,
    project_id: row.projectId,
    key_id: row.keyId,
    route: row.route,
    requested_model: row.requestedModel,
    deployment: row.deployment,
    provider: row.provider,
    model: row.model,
    kind: row.kind,
    started_ms: row.startedWallMs,
    state: row.state,
    outcome: row.outcome,
    prompt_tokens: row.promptTokens,
    completion_tokens: row.completionTokens,
    cached_tokens: row.cachedTokens,
    estimated_prompt_tokens: row.estimatedPromptTokens,
    cost_micro_usd: row.costMicroUsd,
    price_source: row.priceSource,
  };
}

function totalsOf(row: ReportRow): UsageTotals {
  return {
    requests: Number(row.requests),
    attempts: Number(row.attempts),
    succeeded: Number(row.succeeded),
    interrupted: Number(row.interrupted),
    promptTokens: Number(row.promptTokens),
    completionTokens: Number(row.completionTokens),
    cachedTokens: Number(row.cachedTokens),
    unknownTokens: Number(row.unknownTokens),
    costMicroUsd: Number(row.costMicroUsd),
    unknownCost: Number(row.unknownCost),
  };
}
