/** What headers say of keeping an answer and of having it already (RFC 9110, RFC 9111): read in one way wherever the house keeps answers. */

/** Of a `Cache-Control`: by name in small letters, the first of each; without an argument the empty string. */
export function directivesOf(header: string | null | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of (header ?? '').split(',')) {
    const [name = '', value = ''] = part.trim().toLowerCase().split('=');
    if (name !== '' && !found.has(name)) found.set(name, value.replaceAll('"', ''));
  }
  return found;
}

/** How long the answer is fresh yet by its own word, in milliseconds; `undefined` where it says nothing. What cannot be read says that it is not. */
export function freshMsOf(said: ReadonlyMap<string, string>, age: string | null | undefined): number | undefined {
  const text = said.get('s-maxage') ?? said.get('max-age');
  if (text === undefined) return undefined;
  return Math.max(0, (wholeNumber(text) ?? 0) - (wholeNumber(age ?? '') ?? 0)) * 1_000;
}

/** Whether the answer forbids to be given past its time, whatever stands in its way (RFC 9111, 4.2.4). */
export function forbidsStale(said: ReadonlyMap<string, string>): boolean {
  return ['must-revalidate', 'proxy-revalidate', 'no-cache'].some((name) => said.has(name));
}

export function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Whether an `If-None-Match` names the version; read weakly, as it is meant (RFC 9110, 13.1.2). */
export function namesEtag(header: string, etag: string): boolean {
  const names = header.split(',').map((part) => strong(part.trim()));
  return names.includes('*') || names.includes(strong(etag));
}

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
  if (typeof ifNoneMatch === 'string') return namesEtag(ifNoneMatch, etag ?? '');
  return Date.parse(lastModified ?? '') <= Date.parse(ifModifiedSince ?? '');
}

function strong(etag: string): string {
  return etag.replace(/^W\//, '');
}
