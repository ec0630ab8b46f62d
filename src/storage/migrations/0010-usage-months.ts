/**
 * Sums of the usage ledger by month, made of rows that are summed once each: long spans are read from here, and outlive the rows. `rolled`
 * is new with it: a version that does not know it leaves it false, and its rows are summed later.
 */
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
];

export const usageMonths = {
  name: '0010-usage-months',
  statements: [
    `alter table usage add column rolled boolean not null default false`,
    `create index usage_unrolled on usage (project_id, started_ms) where not rolled`,
    `create index usage_unrolled_by_start on usage (started_ms) where not rolled`,
    `create table usage_months (
       project_id text not null references projects (id),
       month_ms bigint not null,
       key_id text,
       model text not null,
       deployment text not null,
       provider text not null,
       ${SUMS.map((sum) => `${sum} bigint not null`).join(', ')},
       unique nulls not distinct (project_id, month_ms, key_id, model, deployment, provider))`,
  ],
} as const;
