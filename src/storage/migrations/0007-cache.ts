/**
 * The tables of the cache's database tier, as src/cache wants them. Unlogged: a cache needs no write-ahead log, and after a crash of the
 * server it is empty and says so.
 */
export const cache = {
  name: '0007-cache',
  statements: [
    `create unlogged table cache_meta (
       namespace text primary key,
       epoch text not null,
       number bigint not null default 0,
       hard bigint not null default 0,
       soft bigint not null default 0
     )`,
    `create unlogged table cache_entries (
       namespace text not null,
       key text not null,
       epoch text not null,
       number bigint not null,
       expired boolean not null default false,
       marks text[] not null,
       tags text[] not null,
       ttl_ms bigint not null,
       swr_ms bigint not null,
       stale_on_error_ms bigint not null,
       bytes bigint not null,
       compute_ms bigint not null,
       born_at timestamptz not null,
       dies_at timestamptz not null,
       payload bytea not null,
       primary key (namespace, key)
     )`,
    `create index cache_entries_dies_at on cache_entries (dies_at)`,
    `create unlogged table cache_marks (
       namespace text not null,
       name text not null,
       hard bigint not null,
       soft bigint not null,
       dies_at timestamptz not null,
       primary key (namespace, name)
     )`,
    `create index cache_marks_dies_at on cache_marks (dies_at)`,
    `create unlogged table cache_leases (
       namespace text not null,
       key text not null,
       token text not null,
       number bigint not null,
       dies_at timestamptz not null,
       primary key (namespace, key)
     )`,
    `create index cache_leases_dies_at on cache_leases (dies_at)`,
    `create unlogged table cache_log (
       namespace text not null,
       number bigint not null,
       origin text not null,
       hard boolean not null,
       name text not null,
       primary key (namespace, number)
     )`,
  ],
} as const;
