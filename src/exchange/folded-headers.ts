/**
 * Headers of an answer as the runtime's own client gives them and as `IncomingHttpHeaders` promises them: one text each. undici gives a list
 * for those that came in several lines, which `Vary` and `Cache-Control` often do.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Those that are one value: what comes after the first is dropped, as by Node. `Set-Cookie` alone cannot be written in one line. */
const SINGLE: ReadonlySet<string> = new Set([
  'age',
  'content-disposition',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'location',
  'retry-after',
  'retry-after-ms',
  'server',
]);

export function foldedHeaders(given: IncomingHttpHeaders): IncomingHttpHeaders {
  let folded: IncomingHttpHeaders | undefined;
  for (const name in given) {
    const value: string | readonly string[] | undefined = given[name];
    if (typeof value !== 'object' || name === 'set-cookie') continue;
    folded ??= { ...given };
    folded[name] = SINGLE.has(name) ? value[0] : value.join(', ');
  }
  return folded ?? given;
}
