/**
 * PostgreSQL, or PGlite, as a tier: it opens nothing itself, and is given the functions that ask. A read that hits is one statement;
 * writes and invalidations are short transactions whose numbers become visible in their order. Expired rows go in small batches.
 */
import { checkNamespace } from '../key.ts';
import { tierLimits } from '../options.ts';
import { EVERYTHING, lifeMs, marksOf } from '../tier.ts';
import type {
  Acquired,
  AcquireRequest,
  Announcement,
  Entry,
  Invalidation,
  Position,
  Ticket,
  Tier,
  TierLimits,
} from '../tier.ts';
import * as sql from './statements.ts';

export type Row = Readonly<Record<string, unknown>>;
/** One statement with `$1`-style parameters. */
export type Query = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export interface DatabasePort {
  readonly query: Query;
  /** All of `work`'s statements on one connection, READ COMMITTED, committed unless it rejects. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
}

export interface DatabaseTierOptions {
  /** The cache's own. */
  readonly namespace: string;
  readonly name?: string;
  readonly limits?: Partial<TierLimits>;
}

const LIMITS: TierLimits = Object.freeze({ readMs: 250, writeMs: 250, inFlightMax: 512 });
/** A mark outlives every fill that began before it: by so long the longest that a lease of the namespace may be renewed. */
const MARK_MS = 60_000;
/** A thousand years, for who says for ever in milliseconds: PostgreSQL's own time ends before the longest that a lifetime may be. */
const LIFE_MS_MAX = 1_000 * 365 * 86_400_000;
const LOG_LENGTH = 1_000;
const PURGE_BATCH = 500;

/** The connections are its owner's: it closes none. `CACHE_TABLES` must be there. */
export class DatabaseTier implements Tier {
  readonly name: string;
  readonly limits: TierLimits;
  readonly #port: DatabasePort;
  readonly #namespace: string;
  /** What the database was told of the longest lease, and in which epoch. */
  #longest = { epoch: '', ms: 0 };

  constructor(port: DatabasePort, { namespace, name = 'database', limits }: DatabaseTierOptions) {
    this.#port = port;
    this.#namespace = checkNamespace(namespace);
    this.name = name;
    this.limits = tierLimits(LIMITS, limits);
  }

  async acquire(request: AcquireRequest): Promise<Acquired<Uint8Array>> {
    const { key, tags, token, leaseMs, leaseMsMax, freshShare } = request;
    const first = await this.#read(key);
    const found = foundBy(first, freshShare);
    if (found.kind === 'hit' || leaseMs === 0) return orFresh(found);
    // What was invalidated since the look may be known for a shorter time.
    if (await this.#lastsLonger(leaseMsMax, String(first['epoch']))) return this.acquire(request);
    const number = Number(first['number']);
    const marks = marksOf(key, tags).slice(1);
    const leased = await this.#port.query(sql.LEASE, [this.#namespace, key, token, number, leaseMs, marks]);
    if (leased.length === 0) return orFresh(found);
    // The holder before may have stored its value between the look and the lease.
    const again = foundBy(await this.#read(key), freshShare);
    if (again.kind === 'missed') {
      return { kind: 'leased', ticket: { token, stamp: `${String(first['epoch'])} ${number}` }, stale: again.stale };
    }
    await this.release(key, token);
    return again;
  }

  async put(key: string, entry: Entry<Uint8Array>, { token, stamp }: Ticket): Promise<boolean> {
    const [epoch = '', number = ''] = stamp.split(' ');
    return this.#port.transaction(async (query) => {
      const taken = await query(sql.TAKE_LEASE, [this.#namespace, key, token]);
      if (taken.length === 0) return false;
      await this.#store(query, key, entry, { epoch, number: Number(number) });
      return true;
    });
  }

  async renew(key: string, token: string, leaseMs: number): Promise<boolean> {
    return (await this.#port.query(sql.RENEW, [this.#namespace, key, token, leaseMs])).length > 0;
  }

  async release(key: string, token: string): Promise<void> {
    await this.#port.query(sql.RELEASE, [this.#namespace, key, token]);
  }

  async set(key: string, entry: Entry<Uint8Array>, origin: string): Promise<void> {
    await this.#numbered([{ name: `k:${key}`, hard: true }], origin, async (query, last) => {
      await query(sql.END_LEASES, [this.#namespace, [key]]);
      await this.#store(query, key, entry, last);
    });
  }

  async invalidate(invalidations: readonly Invalidation[], origin: string): Promise<void> {
    await this.#numbered(invalidations, origin, async (query, last) => {
      const first = last.number - invalidations.length + 1;
      const keysOf = (hard: boolean): string[] =>
        invalidations
          .filter((each) => each.hard === hard && each.name.startsWith('k:'))
          .map(({ name }) => name.slice(2));
      const [deleted, expired] = [keysOf(true), keysOf(false)];
      await query(sql.END_LEASES, [this.#namespace, [...deleted, ...expired]]);
      if (deleted.length > 0) await query(sql.DELETE_ENTRIES, [this.#namespace, deleted]);
      if (expired.length > 0) await query(sql.EXPIRE_ENTRIES, [this.#namespace, expired]);
      for (const [index, { name, hard }] of inOrder(invalidations)) {
        const how = hard ? 'hard' : 'soft';
        if (name === EVERYTHING) await query(sql.MARK_ALL[how], [this.#namespace, first + index]);
        else if (!name.startsWith('k:')) await query(sql.MARK[how], [this.#namespace, name, first + index, MARK_MS]);
      }
    });
  }

  async position(): Promise<Position> {
    return positionOf(await this.#withMeta(() => this.#port.query(sql.POSITION, [this.#namespace])));
  }

  async since(from: Position): Promise<{ position: Position; announcements: Announcement[] } | undefined> {
    const position = await this.position();
    if (position.epoch !== from.epoch || from.number > position.number) return undefined;
    const rows = await this.#port.query(sql.SINCE, [this.#namespace, from.number]);
    const announcements = rows.map((row) => ({
      number: Number(row['number']),
      origin: String(row['origin']),
      hard: row['hard'] === true,
      name: String(row['name']),
    }));
    const last = announcements.at(-1)?.number ?? from.number;
    const whole = last >= position.number && last - from.number === announcements.length;
    return whole ? { position: { epoch: position.epoch, number: last }, announcements } : undefined;
  }

  async purge(): Promise<boolean> {
    let more = false;
    for (const table of sql.PURGED_TABLES) {
      const gone = await this.#port.query(sql.purgeStatement(table), [PURGE_BATCH]);
      more ||= gone.length === PURGE_BATCH;
    }
    return more;
  }

  close(): void {
    // Nothing is its own.
  }

  #read(key: string): Promise<Row> {
    return this.#withMeta(() => this.#port.query(sql.READ, [this.#namespace, key]));
  }

  /** Told before such a lease is taken; true where the database may not have known. */
  async #lastsLonger(leaseMsMax: number, epoch: string): Promise<boolean> {
    const ms = Math.min(Math.ceil(leaseMsMax), LIFE_MS_MAX);
    if (this.#longest.epoch === epoch && this.#longest.ms >= ms) return false;
    await this.#port.query(sql.LAST_LONGER, [this.#namespace, ms]);
    this.#longest = { epoch, ms };
    return true;
  }

  /** Runs `work` under the next numbers, and announces them. */
  async #numbered(
    invalidations: readonly Invalidation[],
    origin: string,
    work: (query: Query, last: Position) => Promise<void>,
  ): Promise<void> {
    await this.position();
    await this.#port.transaction(async (query) => {
      const [row] = await query(sql.NEXT_NUMBERS, [this.#namespace, invalidations.length]);
      if (row === undefined) throw new Error(`the cache's namespace ${this.#namespace} was removed from cache_meta`);
      const last = positionOf(row);
      await work(query, last);
      const first = last.number - invalidations.length + 1;
      const [hards, names] = [invalidations.map(({ hard }) => hard), invalidations.map(({ name }) => name)];
      await query(sql.ANNOUNCE, [this.#namespace, first, origin, hards, names]);
      await query(sql.SHORTEN_LOG, [this.#namespace, last.number - LOG_LENGTH]);
    });
  }

  async #store(query: Query, key: string, entry: Entry<Uint8Array>, { epoch, number }: Position): Promise<void> {
    const { ttlMs, swrMs, staleOnErrorMs, bytes, computeMs, ageMs, payload, tags } = entry;
    const left = Math.min(lifeMs(entry) - ageMs, LIFE_MS_MAX);
    // In one order everywhere: two transactions never wait for each other's.
    const marks = marksOf(key, tags).slice(1).toSorted();
    if (marks.length > 0) await query(sql.EXTEND_MARKS, [this.#namespace, marks, number, left + MARK_MS]);
    const numbers = [ttlMs, swrMs, staleOnErrorMs, bytes, computeMs].map((each) => Math.floor(each));
    await query(sql.STORE, [this.#namespace, key, epoch, number, marks, tags, ...numbers, ageMs, left, payload]);
  }

  /** Asks again, once, behind a new epoch, where the namespace is not known. */
  async #withMeta(ask: () => Promise<readonly Row[]>): Promise<Row> {
    const [row] = await ask();
    if (row !== undefined) return row;
    await this.#port.query(sql.BEGIN_EPOCH, [this.#namespace]);
    const [again] = await ask();
    if (again === undefined) throw new Error(`cache_meta does not keep the namespace ${this.#namespace}`);
    return again;
  }
}

/** By name, as a fill takes its marks: neither then waits for one that the other has. */
function inOrder(invalidations: readonly Invalidation[]): [index: number, Invalidation][] {
  return [...invalidations.entries()].toSorted(([, { name: one }], [, { name: other }]) => (one < other ? -1 : 1));
}

function positionOf(row: Row): Position {
  return { epoch: String(row['epoch']), number: Number(row['number']) };
}

type Found = Exclude<Acquired<Uint8Array>, { kind: 'leased' }>;

function foundBy(row: Row, freshShare: number): Found {
  const entry = entryOf(row);
  const fresh = entry !== undefined && isFresh(entry) && entry.ageMs <= freshShare * entry.ttlMs;
  return fresh ? { kind: 'hit', entry } : { kind: 'missed', stale: entry };
}

/** Where it is not the asker's to make it anew, what is fresh will do. */
function orFresh(found: Found): Found {
  return found.kind === 'missed' && found.stale !== undefined && isFresh(found.stale)
    ? { kind: 'hit', entry: found.stale }
    : found;
}

function isFresh({ expired, ageMs, ttlMs }: Entry<unknown>): boolean {
  return !expired && ageMs < ttlMs;
}

function entryOf(row: Row): Entry<Uint8Array> | undefined {
  const since = Number(row['since']);
  const payload = row['payload'];
  if (row['found'] !== true || row['entry_epoch'] !== row['epoch'] || row['all_known'] !== true) return undefined;
  if (Math.max(Number(row['hard']), Number(row['all_hard'])) > since || !(payload instanceof Uint8Array))
    return undefined;
  return {
    payload,
    ageMs: Math.max(0, Number(row['age_ms'])),
    bytes: Number(row['bytes']),
    computeMs: Number(row['compute_ms']),
    ttlMs: Number(row['ttl_ms']),
    swrMs: Number(row['swr_ms']),
    staleOnErrorMs: Number(row['stale_on_error_ms']),
    tags: Array.isArray(row['tags']) ? row['tags'].map(String) : [],
    expired: row['expired'] === true || Math.max(Number(row['soft']), Number(row['all_soft'])) > since,
  };
}
