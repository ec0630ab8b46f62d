/** What HTTP says of keeping an answer (RFC 9111), for a cache that asks with one account and keeps what it got to one project. */
import type { IncomingHttpHeaders } from 'node:http';
import { deltaSeconds, directivesOf, freshMsOf, isEventStream, isUnchanged, staleWord } from '#core/http-caching';
import type { StaleWord } from '#core/http-caching';
import type { Head } from './headers.ts';

/** The API's word beside the configuration's. Milliseconds. */
export interface Keepable extends StaleWord {
  /** From now on. */
  readonly ttlMs: number;
  /** How old it is already. */
  readonly ageMs: number;
}

/**
 * Null for what is not to be kept. `private` is kept: the account that asks is the hub's own, and the project is one reader. `Vary` is no
 * matter: every header that goes out is in the key; `*` names what no key holds.
 */
export function keepable({ status, headers }: Head, ttlMsMax: number, nowWallMs: number): Keepable | null {
  const said = directivesOf(headers['cache-control']);
  if (status !== 200 || said.has('no-store') || headers['set-cookie'] !== undefined) return null;
  // It has no end that anybody waits for.
  if (isEventStream(headers['content-type'])) return null;
  if ((headers.vary ?? '').split(',').some((name) => name.trim() === '*')) return null;
  const word = { ...staleWord(said), ageMs: ageMsOf(headers) };
  if (said.has('no-cache')) return { ttlMs: 0, ...word };
  const freshMs = freshMsOf(said, (name) => one(headers[name]), nowWallMs);
  return { ttlMs: Math.min(ttlMsMax, freshMs ?? ttlMsMax), ...word };
}

/** What a 304 says of what is kept: anew, and counted from now; where it says nothing, what was said before. */
export function renewed(
  { ttlMs, swrMs, staleOnErrorMs }: Kept,
  { headers }: Head,
  ttlMsMax: number,
  nowWallMs: number,
): Keepable {
  const ageMs = ageMsOf(headers);
  if (headers['cache-control'] === undefined && headers.expires === undefined)
    return { ttlMs: Math.max(0, ttlMs - ageMs), ageMs, swrMs, staleOnErrorMs };
  return keepable({ status: 200, headers }, ttlMsMax, nowWallMs) ?? { ttlMs: 0, ageMs, swrMs: 0, staleOnErrorMs: 0 };
}

function ageMsOf({ age }: IncomingHttpHeaders): number {
  return (deltaSeconds(age) ?? 0) * 1_000;
}

/** Whether who asks has this version already. */
export function isKnown(asked: IncomingHttpHeaders, { etag, 'last-modified': modified }: Kept['headers']): boolean {
  return isUnchanged(
    { ifNoneMatch: asked['if-none-match'], ifModifiedSince: asked['if-modified-since'] },
    { etag: one(etag), lastModified: one(modified) },
  );
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** An answer as it is kept: JSON all through. */
export interface Kept extends StaleWord {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Bytes that are no UTF-8 in base64. */
  readonly text: string;
  readonly encoding: 'utf8' | 'base64';
  /** Of the bytes. */
  readonly digest: string;
  readonly ttlMs: number;
}
