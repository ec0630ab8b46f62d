/**
 * What a caller may wish for one call by headers, the same on every surface that asks a model. A header that cannot be read is
 * refused: a caller who set a timeout must not wait without one.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { deltaSeconds, directivesOf } from '#core/http-caching';
import { limits } from '#core/limits';
import type { CachePreferences, CallPreferences, CallTimeouts } from '#contract/gateway';

const NAMES_MAX = 20;

const CACHE_HEADER = 'x-revoagent-cache';

const TIMEOUTS: Readonly<Record<string, keyof CallTimeouts>> = {
  'x-revoagent-connect-timeout-ms': 'connectMs',
  'x-revoagent-first-token-timeout-ms': 'firstTokenMs',
  'x-revoagent-idle-timeout-ms': 'idleMs',
  'x-revoagent-timeout-ms': 'totalMs',
};

/** For the documentation of each operation that reads them. */
export const preferenceHeaders = {
  'x-revoagent-order': Type.String({
    description:
      'Deployments (`openai/gpt-4o`) or providers of the route that are tried first, in this order, with commas between them.',
  }),
  'x-revoagent-only': Type.String({ description: 'Nothing but these deployments or providers of the route is tried.' }),
  'x-revoagent-fallback': Type.Enum(['on', 'off'], {
    description: '`off`: no other deployment stands in for the first.',
  }),
  'x-revoagent-continue': Type.Enum(['on', 'off'], {
    description:
      'What becomes of a stream that is cut after its first content. `on`: another deployment goes on from the text so far where it takes one, else it begins anew behind an event whose `revoagent.event` is `restart`.',
  }),
  'x-revoagent-cache': Type.Enum(['on', 'off'], {
    description:
      'Whether the answer may come from the cache and go into it, and be shared with identical requests that are under way; in place of what the route says. `Cache-Control` counts too: `no-store` is `off`, `no-cache` takes no kept answer and keeps the new one, `max-age` takes none that is older, `only-if-cached` takes nothing else: 504 where there is none.',
  }),
  'x-revoagent-timeout-ms': timeout('From the first byte of the request to the end of the answer'),
  'x-revoagent-connect-timeout-ms': timeout('Until the request goes out on an open connection'),
  'x-revoagent-first-token-timeout-ms': timeout('Until the first content of a stream'),
  'x-revoagent-idle-timeout-ms': timeout('Between two events of a stream'),
};

function timeout(what: string) {
  return Type.Integer({
    minimum: 1,
    maximum: limits.callerTimeoutMsMax,
    description: `${what}, in milliseconds, in place of the route’s.`,
  });
}

/** Undefined where nothing is wished. Throws `CallerError` that names the header. */
export function preferencesOf(headers: IncomingHttpHeaders): CallPreferences | undefined {
  let preferences: { -readonly [Name in keyof CallPreferences]: CallPreferences[Name] } | undefined;
  const cache = cacheWishes(headers);
  if (cache !== undefined) preferences = { cache };
  for (const name in headers) {
    const value = headers[name];
    if (!name.startsWith('x-revoagent-') || typeof value !== 'string') continue;
    preferences ??= {};
    if (name === CACHE_HEADER) continue;
    const timer = TIMEOUTS[name];
    if (timer !== undefined) preferences.timeouts = { ...preferences.timeouts, [timer]: milliseconds(name, value) };
    else if (name === 'x-revoagent-order') preferences.order = names(name, value);
    else if (name === 'x-revoagent-only') preferences.only = names(name, value);
    else if (name === 'x-revoagent-fallback') preferences.fallback = isOn(name, value);
    else if (name === 'x-revoagent-continue') preferences.continueCut = isOn(name, value);
    else throw refused(name, `is not known; known are ${Object.keys(preferenceHeaders).join(', ')}`);
  }
  return preferences;
}

/** What one header and the other say together; where either says no, it is no. */
export function cacheWishes(headers: IncomingHttpHeaders): CachePreferences | undefined {
  const { [CACHE_HEADER]: asked, 'cache-control': control } = headers;
  if (asked === undefined && control === undefined) return undefined;
  const wishes: { -readonly [Name in keyof CachePreferences]: CachePreferences[Name] } = {};
  if (typeof asked === 'string') wishes.use = isOn(CACHE_HEADER, asked);
  const said = directivesOf(control);
  if (said.has('no-store')) wishes.use = false;
  if (said.has('no-cache')) wishes.anew = true;
  if (said.has('only-if-cached')) wishes.onlyKept = true;
  // A header of HTTP's own: what cannot be read says nothing.
  const seconds = deltaSeconds(said.get('max-age'));
  if (seconds !== undefined) wishes.ageMsMax = seconds * 1_000;
  return wishes;
}

function names(header: string, value: string): string[] {
  const found = value.split(',').flatMap((name) => name.trim() || []);
  if (found.length === 0) throw refused(header, 'names no deployment');
  if (found.length > NAMES_MAX) throw refused(header, `names more than ${NAMES_MAX} deployments`);
  return found;
}

function isOn(header: string, value: string): boolean {
  if (value !== 'on' && value !== 'off') throw refused(header, 'must be on or off');
  return value === 'on';
}

function milliseconds(header: string, value: string): number {
  const ms = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (ms < 1 || ms > limits.callerTimeoutMsMax)
    throw refused(header, `must be a whole number of milliseconds from 1 to ${limits.callerTimeoutMsMax}`);
  return ms;
}

function refused(header: string, what: string): CallerError {
  return new CallerError('bad_request', `The header ${header} ${what}.`, { param: header });
}
