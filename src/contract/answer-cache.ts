/** The cache of answers as the gateway and the external APIs see it: one factory call a key, shared by all who ask at the same time. */
import type { CancelSignal } from '#core/cancel';
import { CallerError } from '#core/errors';

export interface MakeContext {
  /** Aborted when nobody waits for the value any more, and when the cache closes; with the reason of who left last. */
  readonly signal: CancelSignal;
  /** A value past its time that may stand in, where there is one. */
  readonly stale: { readonly value: unknown; readonly ageMs: number } | undefined;
  /** Shown to all who wait in this process, now and later. */
  progress(value: unknown): void;
  /** In place of what the options say. */
  setTtl(lifetime: Partial<KeepLifetime>): void;
  /** What is returned goes to those who wait, and is not kept; it need be no JSON. */
  skip(): void;
  /** How old the value is already, in milliseconds. Its lifetime counts from now all the same. */
  setAge(ageMs: number): void;
}

/** Milliseconds. */
export interface KeepLifetime {
  readonly ttlMs: number;
  /** After that, given at once while it is made anew for the next. None where it is left out. */
  readonly swrMs?: number;
  /** After `ttlMs`, for `MakeContext.stale`. */
  readonly staleOnErrorMs: number;
}

export interface KeepOptions extends KeepLifetime {
  readonly tags: readonly string[];
  readonly signal: CancelSignal;
  readonly onProgress: (value: unknown) => void;
}

export interface AnswerCache {
  /** Rejects with the signal's reason, or where the cache is closed; never with what `make` throws, which is to return it. */
  getOrSet<T>(key: string, make: (context: MakeContext) => T | Promise<T>, options: KeepOptions): Promise<T>;
  /** The fresh value in this process's memory, or `undefined`. */
  peek(key: string): unknown;
  /** The fresh value in any tier, or `undefined`; nothing is made. */
  get(key: string): Promise<unknown>;
  /** Of this process's copy, in milliseconds: its age, and how long it is fresh yet; `undefined` where there is none. */
  life(key: string): { readonly ageMs: number; readonly ttlMs: number } | undefined;
  /** The next who asks has it made anew; the copy may still stand in for an upstream that fails. */
  expire(key: string): Promise<void>;
  /** Leaves no copy. */
  delete(key: string): Promise<void>;
  /** As `expire`, of all that was made under the tag. */
  expireTag(tag: string): Promise<void>;
}

/** Which kept answers a caller takes. */
export interface Wish {
  readonly key: string;
  /** None: the answer is made for him, and kept. */
  readonly anew: boolean;
  /** None that is older, in milliseconds. */
  readonly ageMsMax: number;
  /** Nothing is made for him. */
  readonly onlyKept: boolean;
}

/**
 * What memory has that the caller takes. What he does not take is no longer right for others either. For who wants nothing but what is kept
 * the tiers beneath are asked too; throws `not_cached` where they have nothing that he takes.
 */
export async function held<T>(cache: AnswerCache, wish: Wish): Promise<T | undefined> {
  const { key, anew, onlyKept } = wish;
  const kept = (onlyKept ? await cache.get(key) : cache.peek(key)) as T | undefined;
  if (kept !== undefined && !anew && isYoung(cache, wish)) return kept;
  if (onlyKept) throw notCached();
  if (kept === undefined && !anew) return undefined;
  await cache.expire(key);
  return undefined;
}

/** As `AnswerCache.getOrSet`, once `held` found nothing. Whoever waits for what `make` makes is shown `null` when it is made. */
export async function shared<T>(
  cache: AnswerCache,
  wish: Wish,
  make: (context: MakeContext) => Promise<T>,
  options: KeepOptions,
): Promise<T> {
  let made = false;
  // Not when it begins: that may be for the next, behind who is given what is past its time.
  const telling = async (context: MakeContext): Promise<T> => {
    const value = await make(context);
    context.progress(null);
    return value;
  };
  const onProgress = (value: unknown): void => {
    made = true;
    options.onProgress(value);
  };
  const found = await cache.getOrSet(wish.key, telling, { ...options, onProgress });
  // What was made while he waited is young, whoever had it made; where it is not kept, memory tells the age of the copy before it.
  // The rest is from a tier beneath: what memory has was looked at before.
  if (made || isYoung(cache, wish)) return found;
  await cache.expire(wish.key);
  return cache.getOrSet(wish.key, telling, options);
}

export function notCached(): CallerError {
  return new CallerError('not_cached', 'No answer is kept that this request takes, and it wants no other.');
}

function isYoung(cache: AnswerCache, { key, ageMsMax }: Wish): boolean {
  if (ageMsMax === Number.POSITIVE_INFINITY) return true;
  // Of one that was taken out on its way here from a tier beneath nobody knows the age.
  const life = cache.life(key);
  return life !== undefined && life.ageMs <= ageMsMax;
}

/**
 * A key or tag of one project. Whoever makes one goes through here, and whoever takes an answer out, too: a name that is given by a caller
 * can mean nothing of another project.
 */
export function inProject(projectId: string, name: string): string {
  return `${projectId}/${name}`;
}

/** A tag of one project, as `inProject`. Names of routes are longer than what a cache takes for a tag: of those the beginning counts. */
export function tagInProject(projectId: string, name: string): string {
  return inProject(projectId, name).slice(0, TAG_CHARS_MAX);
}

/** The cache's own bound. */
const TAG_CHARS_MAX = 512;

/** All answers of a kind, before their keys' first colon: `chat:`. */
export const CACHED_KINDS = ['chat', 'embedding', 'external'] as const;
export type CachedKind = (typeof CACHED_KINDS)[number];

/** The tag of every answer of a project. */
export const EVERY_ANSWER = 'all';
