/** What HTTP says of keeping an answer (RFC 9111), for a cache that asks with one account and keeps what it got to one project. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Head } from './headers.ts';

/** The API's word beside the configuration's. Milliseconds. */
export interface Keepable {
  readonly ttlMs: number;
  /** It may not stand in for another once it is past its time. */
  readonly strict: boolean;
}

/**
 * Null for what is not to be kept. `private` is kept: the account that asks is the hub's own, and the project is one reader. `Vary` is no
 * matter: every header that goes out is in the key; `*` names what no key holds.
 */
export function keepable({ status, headers }: Head, ttlMsMax: number): Keepable | null {
  const said = directives(headers['cache-control']);
  if (status !== 200 || said.has('no-store') || headers['set-cookie'] !== undefined) return null;
  if ((headers.vary ?? '').split(',').some((name) => name.trim() === '*')) return null;
  const strict = ['must-revalidate', 'proxy-revalidate', 'no-cache'].some((name) => said.has(name));
  if (said.has('no-cache')) return { ttlMs: 0, strict };
  const seconds = wholeNumber(said.get('s-maxage')) ?? wholeNumber(said.get('max-age'));
  if (seconds === undefined) return { ttlMs: ttlMsMax, strict };
  const left = Math.max(0, seconds - (wholeNumber(headers.age) ?? 0));
  return { ttlMs: Math.min(ttlMsMax, left * 1_000), strict };
}

/** Whether who asks has this version already (RFC 9110, 13.2.2). */
export function isKnown(asked: IncomingHttpHeaders, { etag, 'last-modified': modified }: Kept['headers']): boolean {
  const known = asked['if-none-match'];
  if (known !== undefined) {
    const tags = known.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
    return tags.includes('*') || (typeof etag === 'string' && tags.includes(etag.replace(/^W\//, '')));
  }
  const since = Date.parse(asked['if-modified-since'] ?? '');
  return typeof modified === 'string' && Date.parse(modified) <= since;
}

/** An answer as it is kept: JSON all through. */
export interface Kept {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Bytes that are no UTF-8 in base64. */
  readonly text: string;
  readonly encoding: 'utf8' | 'base64';
  readonly ttlMs: number;
  readonly strict: boolean;
}

/** By name in small letters; the first of each. */
function directives(header: string | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of (header ?? '').split(',')) {
    const [name = '', value = ''] = part.trim().toLowerCase().split('=');
    if (name !== '' && !found.has(name)) found.set(name, value.replaceAll('"', ''));
  }
  return found;
}

/** What is no number says that there is no time left. */
function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}
