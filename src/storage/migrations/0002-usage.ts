/** The usage ledger: a row an attempt, written once and never changed. Money is whole millionths of a dollar. */

export const usage = {
  name: '0002-usage',
  statements: [
    `create table usage (
       id text primary key,
       run_id text not null,
       project_id text not null references projects (id),
       key_id text,
       route text,
       requested_model text not null,
       deployment text not null,
       provider text not null,
       model text not null,
       kind text not null,
       started_ms bigint not null,
       state text not null,
       outcome text not null,
       prompt_tokens bigint,
       completion_tokens bigint,
       cached_tokens bigint,
       estimated_prompt_tokens bigint not null,
       cost_micro_usd bigint,
       price_source text)`,
    `create index usage_by_project on usage (project_id, started_ms)`,
    `create index usage_by_start on usage (started_ms)`,
  ],
} as const;
