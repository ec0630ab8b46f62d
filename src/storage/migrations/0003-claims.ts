/** Claims of idempotency keys: that a request runs or was done, by hashes alone. */
export const claims = {
  name: '0003-claims',
  statements: [
    `create table claims (
       id text primary key,
       project_id text not null references projects (id),
       owner text not null,
       fingerprint text not null,
       done boolean not null,
       until_ms bigint not null)`,
    `create index claims_by_owner on claims (owner)`,
    `create index claims_by_end on claims (until_ms)`,
  ],
} as const;
