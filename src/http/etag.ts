/** The version of a thing as its ETag, and the conditions that a request sets on it (RFC 9110, 13.1). */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import type { Answer } from './answer.ts';
import type { RequestContext } from './request-context.ts';

const description = 'ETags, or `*`.';

export const ifMatchHeader = { 'if-match': Type.String({ description, examples: ['"3"'] }) };
export const ifNoneMatchHeader = { 'if-none-match': Type.String({ description, examples: ['"3"'] }) };

/** Its body and ETag; or 304 and the ETag, where who reads it has this version. */
export function versioned({ incoming }: RequestContext, thing: { readonly version: number }, status = 200): Answer {
  const headers = { etag: `"${thing.version}"` };
  const known = incoming.method === 'GET' || incoming.method === 'HEAD' ? incoming.headers['if-none-match'] : undefined;
  // Read weakly: that a proxy compressed it makes it no other version.
  return known !== undefined && names(known.replaceAll('W/"', '"'), thing.version)
    ? { kind: 'bytes', status: 304, contentType: 'application/json', bytes: '', headers }
    : { kind: 'json', status, body: thing, headers };
}

/** Whether the request names a version that it wants to meet. Throws `version_changed` where that is another than `version`. */
export function matched({ incoming }: RequestContext, version: number): boolean {
  const wanted = incoming.headers['if-match'];
  if (wanted === undefined) return false;
  if (!names(wanted, version)) throw versionChanged();
  return true;
}

export function versionChanged(): CallerError {
  return new CallerError('version_changed', 'It is no longer at the version that If-Match names. Read it again.');
}

function names(header: string, version: number): boolean {
  return header.split(',').some((part) => part.trim() === '*' || part.trim() === `"${version}"`);
}
