/**
 * The port between the cache and what keeps its entries: memory, Redis, a database. Every tier numbers its own invalidations; a
 * ticket carries the number from before the factory ran, so that a fill that began before an invalidation never undoes it.
 * Ages are told by the tier's own clock and lent out as durations: no clock of another machine is trusted.
 */
import { checkKey, checkPrefix, checkTag, prefixOf, storedKey } from './key.ts';

export type Awaitable<T> = T | Promise<T>;

/** How long an entry is good for what, in milliseconds. It is kept for `ttlMs` and the longer of the other two. */
export interface Lifetime {
  /** Fresh for so long. */
  readonly ttlMs: number;
  /** After that, served while it is refreshed. */
  readonly swrMs: number;
  /** After `ttlMs`, served where the factory fails or is slow. */
  readonly staleOnErrorMs: number;
}

export interface Entry<Payload> extends Lifetime {
  readonly payload: Payload;
  /** UTF-8 bytes of the value's JSON. */
  readonly bytes: number;
  /** Since the value was made. */
  readonly ageMs: number;
  /** What it took to make it: the costlier, the earlier it is refreshed. */
  readonly computeMs: number;
  readonly tags: readonly string[];
  /** It was expired by hand: only good where the factory fails or is slow. */
  readonly expired: boolean;
}

export function lifeMs({ ttlMs, swrMs, staleOnErrorMs }: Lifetime): number {
  return ttlMs + Math.max(swrMs, staleOnErrorMs);
}

/** Leave to fill one key: worth nothing once an invalidation or a write took the lease away. */
export interface Ticket {
  readonly token: string;
  /** Where the tier's numbering stood. Only the tier reads it. */
  readonly stamp: string;
}

export interface AcquireRequest {
  readonly key: string;
  /** As far as they are known before the factory runs. */
  readonly tags: readonly string[];
  /** Random; names the lease. */
  readonly token: string;
  /** 0 only reads. */
  readonly leaseMs: number;
  /** For how long it may be renewed: until then the tier knows of every invalidation since the lease was taken. */
  readonly leaseMsMax: number;
  /** Fresh entries older than this share of their `ttlMs` (0 to 1) are to be made anew. 1 takes what is fresh. */
  readonly freshShare: number;
}

export type Acquired<Payload> =
  | { readonly kind: 'hit'; readonly entry: Entry<Payload> }
  /** The caller is to fill the key. */
  | { readonly kind: 'leased'; readonly ticket: Ticket; readonly stale: Entry<Payload> | undefined }
  /** Somebody else is filling it, or the request only read. */
  | { readonly kind: 'missed'; readonly stale: Entry<Payload> | undefined };

/**
 * What is no longer right. The name begins with what it is: `k:` a key, `t:` a tag, `p:` a prefix, `*` everything. Soft
 * (`expire`) leaves a copy for the case that the factory fails; hard (`delete`, `clear`) leaves nothing.
 */
export interface Invalidation {
  readonly name: string;
  readonly hard: boolean;
}

export interface Announcement extends Invalidation {
  readonly number: number;
  /** The instance that invalidated. */
  readonly origin: string;
}

/** Where a tier's numbering stands. A new epoch means that the tier lost everything, its numbers included. */
export interface Position {
  /** When it began, `<seconds>.<microseconds>`: one from before the last is a snapshot's. Of one in another form nobody knows. */
  readonly epoch: string;
  readonly number: number;
}

/** What a caller may lose to a tier, in milliseconds, and what may be under way at once. */
export interface TierLimits {
  readonly readMs: number;
  readonly writeMs: number;
  readonly inFlightMax: number;
}

export interface Tier<Payload = Uint8Array> {
  /** For metrics, unique among the tiers of a cache. */
  readonly name: string;
  readonly limits: TierLimits;
  acquire(request: AcquireRequest): Awaitable<Acquired<Payload>>;
  /** Stores if the lease still holds; ends the lease. */
  put(key: string, entry: Entry<Payload>, ticket: Ticket): Awaitable<boolean>;
  /** False: the lease is gone. */
  renew(key: string, token: string, leaseMs: number): Awaitable<boolean>;
  release(key: string, token: string): Awaitable<void>;
  /** Stores whatever was there, takes the lease away, and announces the key as invalid. */
  set(key: string, entry: Entry<Payload>, origin: string): Awaitable<void>;
  invalidate(invalidations: readonly Invalidation[], origin: string): Awaitable<void>;
  position(): Awaitable<Position>;
  /** What was announced after `position`; `undefined` where that is not known any more. */
  since(position: Position): Awaitable<{ position: Position; announcements: readonly Announcement[] } | undefined>;
  /** Announcements as they are made, as far as they arrive. */
  subscribe?(listener: (position: Position, announcement: Announcement) => void): void;
  /** Removes one batch of what has expired; true while there may be more. */
  purge?(): Awaitable<boolean>;
  close(): Awaitable<void>;
}

export const EVERYTHING = '*';
export const nameOfKey = (key: string): string => `k:${checkKey(storedKey(key))}`;
export const nameOfTag = (tag: string): string => `t:${checkTag(tag)}`;
export const nameOfPrefix = (prefix: string): string => `p:${checkPrefix(prefix)}`;

/** The names whose invalidation touches an entry, besides its own key. */
export function marksOf(key: string, tags: readonly string[]): string[] {
  const prefix = prefixOf(key);
  const marks = prefix === '' ? [EVERYTHING] : [EVERYTHING, `p:${prefix}`];
  for (const tag of tags) marks.push(`t:${tag}`);
  return marks;
}
