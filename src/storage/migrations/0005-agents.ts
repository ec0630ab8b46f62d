/**
 * Agents, conversations and their turns. The project leads every key, so that one project can neither meet nor probe another's ids.
 * Messages are `json`, not `jsonb`: the order of their fields is kept, on which a provider's prompt cache stands. That a turn runs is
 * said by its conversation alone, in a narrow row: one statement can take it, and a lease is renewed without writing messages again.
 */
export const agents = {
  name: '0005-agents',
  statements: [
    `create table agents (
       project_id text not null references projects (id),
       id text not null,
       name text collate "C" not null,
       model text not null,
       version integer not null,
       settings jsonb not null,
       created_ms bigint not null,
       updated_ms bigint not null,
       primary key (project_id, id))`,
    `create unique index agents_by_name on agents (project_id, name)`,
    `create index agents_by_model on agents (project_id, model, id desc)`,
    `create table conversations (
       project_id text not null references projects (id),
       id text not null,
       agent_id text,
       title text,
       turns integer not null,
       summary text,
       summary_up_to integer not null,
       running_turn text,
       lease_ms bigint,
       created_ms bigint not null,
       updated_ms bigint not null,
       primary key (project_id, id))`,
    `create index conversations_by_agent on conversations (project_id, agent_id, id desc)`,
    `create index conversations_running on conversations (running_turn, project_id) where running_turn is not null`,
    `create table turns (
       project_id text not null,
       conversation_id text not null,
       number integer not null,
       id text not null,
       state text not null,
       input json not null,
       output json not null,
       end_reason text,
       error_code text,
       tools json not null,
       run_ids text[] not null,
       started_ms bigint not null,
       ended_ms bigint,
       words tsvector not null,
       primary key (project_id, conversation_id, number),
       foreign key (project_id, conversation_id) references conversations (project_id, id) on delete cascade)`,
    // The words hold one for the project, so that a search meets no other project's turns in the index. No fastupdate: a search would
    // read the whole pending list.
    `create index turns_by_words on turns using gin (words) with (fastupdate = off)`,
  ],
} as const;
