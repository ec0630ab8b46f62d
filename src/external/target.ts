/**
 * The part of a request target that a caller chooses, held against what may be asked for. It is passed on as it is written, never
 * decoded and written anew: so whatever could mean one path here and another at the target, or leave baseUrl's path, is refused.
 */
import { CallerError } from '#core/errors';

/** RFC 3986's `pchar` and the slash. */
const PATH = /^\/[\w\-.~!$&'()*+,;=:@/%]*$/;
/** All that is visible, but for `#`, which ends a query. */
const QUERY = /^[\x21\x22\x24-\x7e]*$/;
/** In what a path decodes to: a backslash, a control character, or an escape, which the path then holds encoded twice. */
const HIDDEN = /[\\\p{Cc}]|%[\da-f]{2}/iu;

/** A matcher for patterns of the configuration: `*` is one part of a path, `/**` at the end is all that follows. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
  const sources = patterns.map((pattern) =>
    pattern
      .split('/')
      .map((part, place, all) =>
        part === '**' && place === all.length - 1 ? '.*' : part === '*' ? '[^/]+' : RegExp.escape(part),
      )
      .join('/'),
  );
  const any = new RegExp(`^(?:${sources.join('|')})$`);
  return (path) => any.test(path);
}

/** The target as it may be sent, without baseUrl's own path. Throws `bad_request`, or `not_found` for a path that is on no list. */
export function checkedTarget(target: string, allows: (path: string) => boolean): string {
  const at = target.indexOf('?');
  const path = at === -1 ? target : target.slice(0, at);
  if (!PATH.test(path)) throw refused('holds a character that has to be percent-encoded, or does not begin with "/"');
  const plain = decoded(path);
  if (/%2f/i.test(path) || HIDDEN.test(plain))
    throw refused('holds an encoded slash, backslash or control character, or is encoded twice');
  if (path.includes('//')) throw refused('holds an empty part ("//")');
  if (plain.split('/').some(isDots)) throw refused('holds "." or ".." as a part');
  if (at !== -1 && !QUERY.test(target.slice(at + 1)))
    throw refused('holds a query with a character that has to be encoded');
  if (!allows(path))
    throw new CallerError('not_found', 'This path is not among those that may be asked for of this API.');
  return target;
}

/** Also before a `;`: some servers cut what follows it off, and resolve the dots then. */
function isDots(part: string): boolean {
  return /^\.{1,2}(;|$)/.test(part);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw refused('holds a % that does not begin a valid UTF-8 escape');
  }
}

function refused(what: string): CallerError {
  return new CallerError('bad_request', `The path ${what}. Paths are passed on as they are written, so it is refused.`);
}
