/** The version of a thing as its ETag, and the conditions that a request sets on it (RFC 9110, 13.1). */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { namesEtag } from '#core/http-caching';
import type { Answer, Headers } from './answer.ts';
import { Precompressed, weakEtag } from './compression.ts';
import type { RequestContext } from './request-context.ts';

const description = 'ETags, or `*`.';

export const ifMatchHeader = { 'if-match': Type.String({ description, examples: ['"3"'] }) };
export const ifNoneMatchHeader = { 'if-none-match': Type.String({ description, examples: ['"3"'] }) };

/** Its body and ETag; or 304 and the ETag, where who reads it has this version. */
export function versioned(context: RequestContext, thing: { readonly version: number }, status = 200): Answer {
  const headers = { etag: `"${thing.version}"` };
  return isKnown(context, headers.etag)
    ? { kind: 'bytes', status: 304, contentType: 'application/json', bytes: '', headers }
    : { kind: 'json', status, body: thing, headers };
}

/** What every caller is told alike, or 304 where he has it: what he keeps he is to ask after each time. */
export function revalidated(
  context: RequestContext,
  contentType: string,
  bytes: Precompressed | string,
  more: Headers = { 'cache-control': 'no-cache' },
): Answer {
  const etag = bytes instanceof Precompressed ? bytes.etag : weakEtag(bytes);
  const headers = { ...more, etag };
  const status = isKnown(context, etag) ? 304 : 200;
  return { kind: 'bytes', status, contentType, bytes, keptAs: etag, headers };
}

/** As `revalidated`, of what is for the caller's key alone. `by`: another header that it goes by. */
export function revalidatedJson(context: RequestContext, body: unknown, by?: string): Answer {
  const { vary } = context.headers;
  context.headers['vary'] = [vary, 'authorization, x-api-key', by].filter((part) => part !== undefined).join(', ');
  return revalidated(context, 'application/json', JSON.stringify(body), { 'cache-control': 'private, no-cache' });
}

/** Read weakly: that a proxy compressed it makes it no other version. */
function isKnown({ incoming }: RequestContext, etag: string): boolean {
  const known = incoming.method === 'GET' || incoming.method === 'HEAD' ? incoming.headers['if-none-match'] : undefined;
  return known !== undefined && namesEtag(known, etag);
}

/** Whether the request names a version that it wants to meet. Throws `version_changed` where that is another than `version`. */
export function matched({ incoming }: RequestContext, version: number): boolean {
  const wanted = incoming.headers['if-match'];
  if (wanted === undefined) return false;
  if (!names(wanted, `"${version}"`)) throw versionChanged();
  return true;
}

export function versionChanged(): CallerError {
  return new CallerError('version_changed', 'It is no longer at the version that If-Match names. Read it again.');
}

function names(header: string, etag: string): boolean {
  return header.split(',').some((part) => part.trim() === '*' || part.trim() === etag);
}
