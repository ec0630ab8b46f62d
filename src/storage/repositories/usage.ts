/** The usage ledger in the database: rows that are written once, and sums over them. */
import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { UsageGrouping, UsageRecord, UsageTotals } from '#contract/ledger';
import type { UsageStore } from '#contract/stores';
import type { Ask } from '../ask.ts';
import type { UsageTable } from '../schema.ts';
import { storableJson } from '../storable.ts';

/** Sums come as text or number, as the driver has it for numeric; every one of ours is below 2^53. */
type ReportRow = { [Name in keyof UsageTotals]: number | string } & { group: string | null };

const COLUMNS = sql.raw(
  `id, run_id, project_id, key_id, route, requested_model, deployment, provider, model, kind, started_ms, state, outcome,
   prompt_tokens, completion_tokens, cached_tokens, estimated_prompt_tokens, cost_micro_usd, price_source`,
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

export function databaseUsageStore(ask: Ask): UsageStore {
  return {
    insertMany: (rows) =>
      ask('usage.insert', async (db) => {
        // One parameter whatever the number of rows: the statement is prepared once and the text never grows.
        const columns = storableJson(rows.map(columnsOf));
        await sql`insert into usage (${COLUMNS}) select ${COLUMNS}
          from jsonb_populate_recordset(null::usage, ${columns}::jsonb) on conflict (id) do nothing`.execute(db);
      }),
    report: (projectId, { fromWallMs, toWallMs, groupBy, groupsMax }) =>
      ask('usage.report', async (db) => {
        const group = groupBy === null ? sql`null::text` : GROUPS[groupBy];
        const [isTotal, sets] = groupBy === null ? [sql`1`, sql`()`] : [sql`grouping(${group})`, sql`(), (${group})`];
        const order = groupBy === 'day' ? sql`1` : sql`count(*) desc, 1`;
        // The sum over everything and the sums by group of the same rows: one statement, one moment.
        const { rows } = await sql<ReportRow>`select ${group} as "group", ${isTotal} as "isTotal", ${TOTALS}
          from usage where project_id = ${projectId} and started_ms >= ${fromWallMs} and started_ms < ${toWallMs}
          group by grouping sets (${sets}) order by 2 desc, ${order} limit ${groupsMax + 1}`.execute(db);
        const [totals, ...groups] = rows;
        if (totals === undefined) throw new Error('a sum over rows gave no row');
        return { totals: totalsOf(totals), groups: groups.map((row) => ({ group: row.group, ...totalsOf(row) })) };
      }),
    purge: (wallMs, rowsMax) =>
      ask('usage.purge', async (db) => {
        // As an array: joined with the ids, the planner reads the whole table when many are to go.
        const { numAffectedRows } = await sql`delete from usage where id = any(array(
          select id from usage where started_ms < ${wallMs} order by started_ms limit ${rowsMax}))`.execute(db);
        return Number(numAffectedRows ?? 0n);
      }),
  };
}

function columnsOf(row: UsageRecord): UsageTable {
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
