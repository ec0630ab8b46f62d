/**
 * Who may come in. Without keys the hub serves its own machine only, and a browser there may be led by a foreign page: the
 * Host header gives DNS rebinding away, the Origin and Sec-Fetch-Site headers a forged request. With keys, the key decides.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { CallerError } from '#core/errors';
import type { Caller, Scope } from '#contract/gateway';
import { SCOPES } from '#contract/gateway';
import type { Keys } from '#contract/keys';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { RequestContext } from './request-context.ts';

/** `open`: nobody is asked. `optional`: a valid key shows more. Otherwise one of these scopes; `admin` stands for all. */
export type Access = 'open' | 'optional' | readonly Scope[];

/** Whoever may open the local socket, or calls a hub without keys from its own machine. */
export const localCaller: Caller = {
  keyId: null,
  projectId: DEFAULT_PROJECT_ID,
  scopes: new Set<Scope>(SCOPES),
};

export interface OriginRules {
  readonly allowedHosts: readonly string[];
  readonly corsOrigins: readonly string[];
}

/** How nearly every caller on this machine writes it, which is told by one look. */
const USUAL_HOST = /^(?:localhost|127\.0\.0\.1)(?::\d*)?$/;

/**
 * Throws `forbidden_origin` unless Host and Origin are this machine's or listed. A browser sends no Origin with what a page only embeds
 * or leads to, which it cannot read but which acts, as a GET at an external API does; there Sec-Fetch-Site tells it, and for what is
 * open to all it does not matter.
 */
export function checkOrigin(
  headers: IncomingHttpHeaders,
  access: Access,
  { allowedHosts, corsOrigins }: OriginRules,
): void {
  const host = headers.host ?? '';
  const name = USUAL_HOST.test(host) ? 'localhost' : hostname(host);
  if (!isLoopbackName(name) && !allowedHosts.includes(name)) {
    throw new CallerError(
      'forbidden_origin',
      'This hub has no API keys yet, so it answers its own machine only, and the Host header names another. ' +
        'Call it as localhost, create a key with `revoagent keys create`, or list the host under server.allowedHosts.',
    );
  }
  const { origin } = headers;
  if (origin === undefined) {
    if (typeof access === 'string' || !isForeign(headers)) return;
  } else if (origin === `http://${host}` || origin === `https://${host}` || corsOrigins.includes(origin)) return;
  throw new CallerError(
    'forbidden_origin',
    'This hub has no API keys yet, so it refuses requests that a web page of another origin makes. ' +
      'Create a key with `revoagent keys create`, or list the origin under server.corsOrigins.',
  );
}

/** https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header; `none` is the person himself. */
function isForeign({ 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return site === 'cross-site' || site === 'same-site';
}

function hostname(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name);
}

/**
 * The caller for this access, or null where none is needed; at once where the key is known already. Throws 401, 403, or 503 when keys
 * cannot be looked up.
 */
export function authenticate(
  context: RequestContext,
  access: Access,
  keys: Keys,
  keyless: boolean,
): Promise<Caller | null> | Caller | null {
  if (access === 'open') return null;
  if (keyless || context.local) return localCaller;
  const presented = presentedKey(context.incoming.headers);
  if (access === 'optional') {
    // A page of health must answer above all: who cannot be recognised sees its short form.
    return presented === null ? null : callerIfKnown(presented, keys);
  }
  return callerOfKey(presented, access, keys);
}

async function callerIfKnown(presented: string, keys: Keys): Promise<Caller | null> {
  try {
    return await keys.authenticate(presented);
  } catch {
    return null;
  }
}

/** As `authenticate`, where a key is needed. */
export function callerOfKey(presented: string | null, access: readonly Scope[], keys: Keys): Promise<Caller> | Caller {
  if (presented === null) {
    throw new CallerError(
      'unauthenticated',
      'No API key. Send it as `Authorization: Bearer rvk_…` or `x-api-key: rvk_…`.',
    );
  }
  const known = keys.authenticate(presented);
  return known instanceof Promise ? known.then((caller) => admitted(caller, access)) : admitted(known, access);
}

function admitted(caller: Caller | null, access: readonly Scope[]): Caller {
  if (caller === null) throw new CallerError('unauthenticated', 'This API key is unknown or revoked.');
  if (!mayUse(caller, access)) {
    throw new CallerError('forbidden', `This key lacks the scope ${access.map((scope) => `"${scope}"`).join(' or ')}.`);
  }
  return caller;
}

export function mayUse(caller: Caller, scopes: readonly Scope[]): boolean {
  return caller.scopes.has('admin') || scopes.some((scope) => caller.scopes.has(scope));
}

/** The key in the headers, or null. */
export function presentedKey(headers: IncomingHttpHeaders): string | null {
  const { authorization } = headers;
  if (authorization !== undefined) return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null;
  const key = headers['x-api-key'];
  return typeof key === 'string' && key !== '' ? key : null;
}
