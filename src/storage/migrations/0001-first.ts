/** The first tables. Tenancy is in them from the start: organisation → project → key, and the project in every row. */
import { DEFAULT_ORGANISATION_ID, DEFAULT_PROJECT_ID } from '#contract/stores';

export const first = {
  name: '0001-first',
  statements: [
    `create table organisations (id text primary key, name text not null, created_ms bigint not null)`,
    `create table projects (
       id text primary key,
       organisation_id text not null references organisations (id),
       name text not null,
       created_ms bigint not null)`,
    `create table keys (
       id text primary key,
       project_id text not null references projects (id),
       name text not null,
       scopes text[] not null,
       secret_hash bytea not null,
       created_ms bigint not null,
       revoked_ms bigint)`,
    `create index keys_by_project on keys (project_id, id desc)`,
    `create index keys_active on keys (id) where revoked_ms is null`,
    // Attempts live inside the run: they are written once, read with it, and never asked for alone.
    `create table runs (
       id text primary key,
       project_id text not null references projects (id),
       key_id text,
       started_ms bigint not null,
       record jsonb not null)`,
    `create index runs_by_project on runs (project_id, id desc)`,
    `create index runs_by_key on runs (project_id, key_id, id desc)`,
    `create index runs_by_start on runs (started_ms)`,
    `create table audit (
       id text primary key,
       project_id text not null references projects (id),
       at_ms bigint not null,
       actor text not null,
       action text not null,
       subject text not null,
       detail jsonb not null)`,
    `create index audit_by_project on audit (project_id, id desc)`,
    `insert into organisations (id, name, created_ms) values ('${DEFAULT_ORGANISATION_ID}', 'default', 0)`,
    `insert into projects (id, organisation_id, name, created_ms) values ('${DEFAULT_PROJECT_ID}', '${DEFAULT_ORGANISATION_ID}', 'default', 0)`,
  ],
} as const;
