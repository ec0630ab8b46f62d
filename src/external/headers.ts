/**
 * The headers that cross, in both directions, each by an allow-list; what is on none is dropped, hop by hop or not. Links of an answer
 * that lead back into the API lead through the hub, a location that leads elsewhere is left out.
 */
import type { IncomingHttpHeaders } from 'node:http';

const REQUEST = [
  'accept',
  'accept-language',
  'content-encoding',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'prefer',
] as const;

const RESPONSE = [
  'age',
  'allow',
  'content-disposition',
  'content-language',
  'content-type',
  'deprecation',
  'etag',
  'last-modified',
  'retry-after',
  'sunset',
] as const;
/** As the vendors and the drafts of the IETF name them. */
const RATE_LIMIT = /^(x-ratelimit-|ratelimit)/;

/** Those of a caller that go on, names and values in turn. `more` are further names; what is `fixed` is not the caller's to say. */
export function requestHeaders(
  given: IncomingHttpHeaders,
  more: readonly string[],
  fixed: ReadonlyMap<string, string>,
): string[] {
  // A header that `Connection` names is for the hub alone (RFC 9110, 7.6.1).
  const hopByHop = new Set((given.connection ?? '').toLowerCase().split(/[\s,]+/));
  const list: string[] = [];
  for (const name of new Set([...REQUEST, ...more])) {
    const value = given[name];
    if (value === undefined || hopByHop.has(name) || fixed.has(name)) continue;
    list.push(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return list;
}

/** Of an answer. */
export interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** Where an API is, and where the hub shows it. */
export interface Place {
  readonly origin: string;
  /** baseUrl's own path, without a slash at its end. */
  readonly path: string;
  readonly shownAt: string;
}

/** Those of an answer that go on. `asked` is the URL that was asked for; `clean` takes our credentials out of a value. */
export function responseHeaders(
  given: IncomingHttpHeaders,
  more: readonly string[],
  asked: URL,
  place: Place,
  clean: (value: string) => string,
): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  const names = [...RESPONSE, ...more, ...Object.keys(given).filter((name) => RATE_LIMIT.test(name))];
  for (const name of names) {
    const value = given[name];
    if (value !== undefined) passed[name] = Array.isArray(value) ? value.map(clean) : clean(value);
  }
  const { location, link } = given;
  const shown = location === undefined ? undefined : shownUrl(location, asked, place);
  if (shown !== undefined) passed['location'] = clean(shown);
  if (link !== undefined)
    passed['link'] = clean(
      [link]
        .flat()
        .join(', ')
        .replace(/<([^<>]*)>/g, (all, url: string) => {
          const inside = shownUrl(url, asked, place);
          return inside === undefined ? all : `<${inside}>`;
        }),
    );
  return passed;
}

/** The hub's own path for a URL inside the API; undefined for any other. */
function shownUrl(url: string, asked: URL, place: Place): string | undefined {
  // A header's characters are bytes: those that no URL holds as they are, it holds encoded each for itself.
  const encoded = url.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  if (!URL.canParse(encoded, asked)) return undefined;
  const { origin, pathname, search } = new URL(encoded, asked);
  if (origin !== place.origin || !pathname.startsWith(`${place.path}/`)) return undefined;
  return place.shownAt + pathname.slice(place.path.length) + search;
}
