/**
 * What was said in runs. Texts of JSON, not jsonb: they are given back as they came and never searched. A row without them is what
 * an erasure leaves, so that a write that is still on its way finds the place taken.
 */

export const contents = {
  name: '0004-contents',
  statements: [
    `create table contents (
       id text primary key,
       project_id text not null references projects (id),
       policy text not null,
       started_ms bigint not null,
       partial boolean not null,
       truncated boolean not null,
       messages text,
       answer text)`,
    `create index contents_by_start on contents (started_ms)`,
  ],
} as const;
