/**
 * What the database tier says, in PostgreSQL's words. Unlogged tables: a cache needs no write-ahead log, and after a crash of the server
 * it is empty, epoch included, so that nobody trusts what it knew. Moments are the server's own.
 */

/** Creates the tables where they are missing. Up to the owner of the database when: a migration, or a start. */
export const CACHE_TABLES = `
create unlogged table if not exists cache_meta (
  namespace text primary key,
  epoch text not null,
  number bigint not null default 0,
  hard bigint not null default 0,
  soft bigint not null default 0
);
create unlogged table if not exists cache_entries (
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
);
create index if not exists cache_entries_dies_at on cache_entries (dies_at);
create unlogged table if not exists cache_marks (
  namespace text not null,
  name text not null,
  hard bigint not null,
  soft bigint not null,
  dies_at timestamptz not null,
  primary key (namespace, name)
);
create index if not exists cache_marks_dies_at on cache_marks (dies_at);
create unlogged table if not exists cache_leases (
  namespace text not null,
  key text not null,
  token text not null,
  number bigint not null,
  dies_at timestamptz not null,
  primary key (namespace, key)
);
create index if not exists cache_leases_dies_at on cache_leases (dies_at);
create unlogged table if not exists cache_log (
  namespace text not null,
  number bigint not null,
  origin text not null,
  hard boolean not null,
  name text not null,
  primary key (namespace, number)
);
`;

/** Every table that `CACHE_TABLES` makes; those with a `dies_at` are purged. */
export const PURGED_TABLES = ['cache_entries', 'cache_marks', 'cache_leases'] as const;

const after = (ms: string): string => `clock_timestamp() + ${ms}::float8 * interval '1 millisecond'`;

/** Never the same twice: drawn from the server's time. */
export const BEGIN_EPOCH = `
insert into cache_meta (namespace, epoch) values ($1, to_char(extract(epoch from clock_timestamp()), 'FM9999999990.000000'))
on conflict (namespace) do nothing`;

export const POSITION = `select epoch, number from cache_meta where namespace = $1`;

/** $1 namespace, $2 key. A mark that is missing was purged with what it knew. */
export const READ = `
select meta.epoch as epoch, meta.number as number, meta.hard as all_hard, meta.soft as all_soft,
  entry.key is not null as found, entry.epoch as entry_epoch, entry.number as since, entry.expired, entry.tags,
  entry.ttl_ms, entry.swr_ms, entry.stale_on_error_ms, entry.bytes, entry.compute_ms, entry.payload,
  extract(epoch from clock_timestamp() - entry.born_at) * 1000 as age_ms,
  coalesce(cardinality(entry.marks), 0) = marks.known as all_known, marks.hard, marks.soft
from cache_meta meta
left join cache_entries entry
  on entry.namespace = meta.namespace and entry.key = $2 and entry.dies_at > clock_timestamp()
left join lateral (
  select count(*) as known, coalesce(max(mark.hard), 0) as hard, coalesce(max(mark.soft), 0) as soft
  from cache_marks mark where mark.namespace = meta.namespace and mark.name = any (entry.marks)
) marks on true
where meta.namespace = $1`;

/** $1 namespace, $2 key, $3 token, $4 number, $5 ms, $6 known marks. A lease from before an invalidation holds nobody up. */
export const LEASE = `
insert into cache_leases (namespace, key, token, number, dies_at) values ($1, $2, $3, $4, ${after('$5')})
on conflict (namespace, key) do update
  set token = excluded.token, number = excluded.number, dies_at = excluded.dies_at
  where cache_leases.dies_at <= clock_timestamp()
    or cache_leases.number < (select greatest(hard, soft) from cache_meta where namespace = $1)
    or cache_leases.number < (
      select max(greatest(hard, soft)) from cache_marks where namespace = $1 and name = any ($6::text[])
    )
returning token`;

export const RENEW = `
update cache_leases set dies_at = ${after('$4')}
where namespace = $1 and key = $2 and token = $3 and dies_at > clock_timestamp() returning token`;

export const RELEASE = `delete from cache_leases where namespace = $1 and key = $2 and token = $3`;

/** $1 namespace, $2 key, $3 token: takes the lease, if it still is one. */
export const TAKE_LEASE = `
delete from cache_leases where namespace = $1 and key = $2 and token = $3 and dies_at > clock_timestamp() returning token`;

/** $1 namespace, $2 names in order, $3 number, $4 ms: makes what is missing, and keeps the rest alive. */
export const EXTEND_MARKS = `
insert into cache_marks (namespace, name, hard, soft, dies_at)
select $1, name, $3, $3, ${after('$4')} from unnest($2::text[]) as name
on conflict (namespace, name) do update set dies_at = greatest(cache_marks.dies_at, excluded.dies_at)`;

/** $1 namespace, $2 key, $3 epoch, $4 number, $5 marks, $6 tags, $7–$11 ttl, swr, stale-on-error, bytes, compute, $12 age, $13 life left, $14 payload. */
export const STORE = `
insert into cache_entries (namespace, key, epoch, number, expired, marks, tags, ttl_ms, swr_ms, stale_on_error_ms, bytes,
  compute_ms, born_at, dies_at, payload)
values ($1, $2, $3, $4, false, $5::text[], $6::text[], $7, $8, $9, $10, $11, ${after('-$12')}, ${after('$13')}, $14)
on conflict (namespace, key) do update set epoch = excluded.epoch, number = excluded.number, expired = false,
  marks = excluded.marks, tags = excluded.tags, ttl_ms = excluded.ttl_ms, swr_ms = excluded.swr_ms,
  stale_on_error_ms = excluded.stale_on_error_ms, bytes = excluded.bytes, compute_ms = excluded.compute_ms,
  born_at = excluded.born_at, dies_at = excluded.dies_at, payload = excluded.payload`;

/** Locks the namespace's row until the transaction ends: numbers become visible in their order. $2: how many. */
export const NEXT_NUMBERS = `
update cache_meta set number = number + $2 where namespace = $1 returning epoch, number`;

/** Waits for a fill that is storing right now; what follows in the transaction sees what it stored. */
export const END_LEASES = `delete from cache_leases where namespace = $1 and key = any ($2::text[])`;

export const DELETE_ENTRIES = `delete from cache_entries where namespace = $1 and key = any ($2::text[])`;

export const EXPIRE_ENTRIES = `update cache_entries set expired = true where namespace = $1 and key = any ($2::text[])`;

/** $2 number: of everything. */
export const MARK_ALL = {
  hard: `update cache_meta set hard = $2 where namespace = $1`,
  soft: `update cache_meta set soft = $2 where namespace = $1`,
};

/** Lies among the marks under a name that none of them has, for ever: how long a lease of the namespace may last. */
const LONGEST = `'longest lease'`;

/** $1 namespace, $2 ms. */
export const LAST_LONGER = `
insert into cache_marks (namespace, name, hard, soft, dies_at) values ($1, ${LONGEST}, $2, 0, 'infinity')
on conflict (namespace, name) do update set hard = greatest(cache_marks.hard, excluded.hard)`;

/** A mark outlives every fill that began before it. */
const MARKED = `
insert into cache_marks (namespace, name, hard, soft, dies_at)
select $1, $2, $3, $3, ${after('$4')} + coalesce(max(hard), 0) * interval '1 millisecond'
from cache_marks where namespace = $1 and name = ${LONGEST}
on conflict (namespace, name) do update set dies_at = greatest(cache_marks.dies_at, excluded.dies_at)`;

/** $1 namespace, $2 name, $3 number, $4 ms past the longest lease. A mark that is missing counts as hard: nobody knows what it knew. */
export const MARK = {
  hard: `${MARKED}, hard = excluded.hard`,
  soft: `${MARKED}, soft = excluded.soft`,
};

/** $1 namespace, $2 first number, $3 origin, $4 hard, $5 names. */
export const ANNOUNCE = `
insert into cache_log (namespace, number, origin, hard, name)
select $1, $2::bigint + place - 1, $3, hard, name
from unnest($4::boolean[], $5::text[]) with ordinality as each (hard, name, place)`;

/** $2: the last number that may go. */
export const SHORTEN_LOG = `delete from cache_log where namespace = $1 and number <= $2`;

export const SINCE = `
select number, origin, hard, name from cache_log where namespace = $1 and number > $2 order by number`;

/** By the time of the transaction: with the clock's own, which is never the same twice, no index would serve. */
export const purgeStatement = (table: (typeof PURGED_TABLES)[number]): string => `
delete from ${table} where ctid = any (array(select ctid from ${table} where dies_at <= now() limit $1)) returning 1 as one`;
