/** Limits that are kept with keys and projects, and what budgets have come to by the first day of their period. */
export const limits = {
  name: '0008-limits',
  statements: [
    `alter table keys add column limits jsonb not null default '{}'`,
    `alter table projects add column limits jsonb not null default '{}'`,
    `create table limit_spend (
       name text not null,
       start_day integer not null,
       micro_usd bigint not null,
       primary key (start_day, name))`,
  ],
} as const;
