/**
 * Facts that agents keep. The project leads every key. `words` are stemmed as English, which also drops its most common words (others
 * pass unharmed), and hold one more for project and scope, so that a search meets nobody else's rows in the index. `embedding` is a
 * unit vector of 32-bit floats, little-endian; `signs` has one bit a dimension, by which a search narrows before it reads vectors.
 */
export const memories = {
  name: '0006-memories',
  statements: [
    `create table memories (
       project_id text not null references projects (id),
       id text not null,
       scope text not null,
       text text not null,
       words tsvector not null,
       embedding_model text,
       dimensions integer,
       signs bit varying,
       embedding bytea,
       embed_after_ms bigint not null,
       created_ms bigint not null,
       primary key (project_id, id))`,
    `create index memories_by_scope on memories (project_id, scope, id desc)`,
    `create index memories_by_meaning on memories (project_id, scope, embedding_model, dimensions, id desc)`,
    `create index memories_to_embed on memories (embedding_model, embed_after_ms)`,
    // No fastupdate: a search would read the whole pending list.
    `create index memories_by_words on memories using gin (words) with (fastupdate = off)`,
  ],
} as const;
