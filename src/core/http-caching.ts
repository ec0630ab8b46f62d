/** What headers say of keeping an answer and of having it already (RFC 9110, RFC 9111): read in one way wherever the house keeps answers. */

/** A comma in a quoted text ends no directive: what stands behind it there is nobody's word. */
const DIRECTIVE = /([^\s,="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s,]*))?/g;

/** Of a `Cache-Control`: by name in small letters, the first of each; without an argument the empty string. */
export function directivesOf(header: string | null | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', value = ''] of (header ?? '').toLowerCase().matchAll(DIRECTIVE))
    if (!found.has(name)) found.set(name, value.replaceAll('"', ''));
  return found;
}

/** What an answer says of its own time; a header's value by its name in small letters. */
type HeaderOf = (name: string) => string | null | undefined;

/**
 * How long the answer is fresh yet by its own word, in milliseconds; `undefined` where it says nothing. What cannot be read says that it is
 * not. `Expires` counts where `Cache-Control` says nothing, from the answer's own `Date` (RFC 9111, 4.2.1); one without was made now.
 */
export function freshMsOf(said: ReadonlyMap<string, string>, header: HeaderOf, nowWallMs: number): number | undefined {
  const text = said.get('s-maxage') ?? said.get('max-age');
  const expires = header('expires');
  if (text === undefined && typeof expires !== 'string') return undefined;
  const wholeMs =
    text === undefined
      ? (httpDateMs(expires) ?? 0) - (httpDateMs(header('date')) ?? nowWallMs)
      : (deltaSeconds(text) ?? 0) * 1_000;
  return Math.max(0, wholeMs - (deltaSeconds(header('age')) ?? 0) * 1_000);
}

/** RFC 9110, 5.6.7. `Date.parse` reads more: `0` is a year to it, and what names no zone is local time. */
const HTTP_DATE =
  /^(?:\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT|\w{6,9}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT|\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})$/;

/** Since the Unix epoch; `undefined` for what is no date of HTTP, in any of its three forms. */
export function httpDateMs(text: string | null | undefined): number | undefined {
  if (typeof text !== 'string' || !HTTP_DATE.test(text)) return undefined;
  const ms = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** How long past its time an answer may be given, by its own word, in milliseconds; null where it says nothing. */
export interface StaleWord {
  /** While it is asked for anew. */
  readonly swrMs: number | null;
  /** Where that fails. */
  readonly staleOnErrorMs: number | null;
}

/** RFC 5861, and RFC 9111, 4.2.4. What cannot be read says never. */
export function staleWord(said: ReadonlyMap<string, string>): StaleWord {
  const forbidden = ['must-revalidate', 'proxy-revalidate', 'no-cache'].some((name) => said.has(name));
  // `s-maxage` forbids both as `proxy-revalidate` does (RFC 9111, 5.2.2.10), unless a figure beside it says more: servers write them together.
  const unsaid = said.has('s-maxage') ? 0 : null;
  const ms = (name: string): number | null => {
    const text = said.get(name);
    return forbidden ? 0 : text === undefined ? unsaid : (deltaSeconds(text) ?? 0) * 1_000;
  };
  return { swrMs: ms('stale-while-revalidate'), staleOnErrorMs: ms('stale-if-error') };
}

/** Of a `Content-Type`. */
export function isEventStream(header: string | null | undefined): boolean {
  return /^text\/event-stream\b/i.test(header ?? '');
}

/** What the answer's word leaves of what is allowed, in milliseconds. */
export function boundedBy(allowedMs: number, saidMs: number | null): number {
  return saidMs === null ? allowedMs : Math.min(allowedMs, saidMs);
}

/** Seconds; what is more than can be counted is the most that is (RFC 9111, 1.2.2). */
export function deltaSeconds(text: string | null | undefined): number | undefined {
  return /^\d+$/.test(text ?? '') ? Math.min(Number(text), SECONDS_MAX) : undefined;
}

const SECONDS_MAX = 2 ** 31;

/** Whether an `If-None-Match` names the version; read weakly, as it is meant (RFC 9110, 13.1.2). */
export function namesEtag(header: string, etag: string | undefined): boolean {
  const names: readonly string[] = header.match(ENTITY_TAG) ?? [];
  return names.includes('*') || (etag !== undefined && names.some((name) => strong(name) === strong(etag)));
}

/** A comma may stand in one; some servers leave the quotation marks out. */
const ENTITY_TAG = /(?:W\/)?"[^"]*"|[^\s,"]+/g;

interface Conditions {
  readonly ifNoneMatch: string | null | undefined;
  readonly ifModifiedSince: string | null | undefined;
}

interface Version {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** Whether who asks has this version already (RFC 9110, 13.2.2). */
export function isUnchanged({ ifNoneMatch, ifModifiedSince }: Conditions, { etag, lastModified }: Version): boolean {
  if (typeof ifNoneMatch === 'string') return namesEtag(ifNoneMatch, etag);
  const [changed, known] = [httpDateMs(lastModified), httpDateMs(ifModifiedSince)];
  return changed !== undefined && known !== undefined && changed <= known;
}

function strong(etag: string): string {
  return etag.replace(/^W\//, '');
}
