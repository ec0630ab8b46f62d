/**
 * Which calls are cached, and under which key. The key holds all that an answer may depend on: the project, the route and its upstreams
 * as they are configured now, the caller's wishes and the request; on a guarded route also the key that asks, since a guardrail may
 * judge by it. Texts are in it as a digest only.
 */
import { hash } from 'node:crypto';
import type { CachedKind } from '#contract/answer-cache';
import { EVERY_ANSWER, inProject, tagInProject } from '#contract/answer-cache';
import type { RunCall } from '#contract/gateway';
import type { Route } from '../route.ts';
import type { CacheLifetime } from '../settings.ts';

/** Of a request and of its caller's wishes, what the answer does not depend on. */
const NOT_ASKED: ReadonlySet<string> = new Set(['stream', 'stream_options']);
const NOT_WISHED: ReadonlySet<string> = new Set(['cache']);

export interface Caching extends CacheLifetime {
  readonly key: string;
  /** The key as callers see it: without their project. */
  readonly name: string;
  readonly anew: boolean;
  readonly ageMsMax: number;
  readonly onlyKept: boolean;
}

/** Null where neither the route nor the caller wants it. */
export function cachingOf(
  kind: Exclude<CachedKind, 'external'>,
  call: RunCall,
  route: Route | null,
  defaults: CacheLifetime,
  /** `routeText` of the route. */
  textOf: (route: Route) => string,
): Caching | null {
  const wishes = call.preferences?.cache;
  if (route === null || wishes?.use === false || (route.settings.cache === undefined && wishes?.use !== true))
    return null;
  const { ttlMs = defaults.ttlMs, staleOnErrorMs = defaults.staleOnErrorMs } = route.settings.cache ?? {};
  const { projectId } = call.caller;
  const name = nameOf(kind, call, route, textOf(route));
  return {
    ttlMs,
    staleOnErrorMs,
    name,
    key: inProject(projectId, name),
    anew: wishes?.anew === true,
    ageMsMax: wishes?.ageMsMax ?? Number.POSITIVE_INFINITY,
    onlyKept: wishes?.onlyKept === true,
  };
}

/** A digest of what of a route and its upstreams an answer may depend on: the same for every call, so it is made once a route. */
export function routeText({ name, settings, groups }: Route): string {
  // A provider of the same name may be another one tomorrow.
  const addresses = groups.flat().map(({ deployment }) => deployment.provider.address);
  return digestOf(said([name, settings.groups, addresses]));
}

function nameOf(
  kind: CachedKind,
  { caller, request, preferences }: RunCall,
  { settings }: Route,
  routeSaid: string,
): string {
  const guarded = settings.guardrail === undefined ? '' : said([caller.keyId, settings.guardrail]);
  const wishes = said(preferences ?? {}, NOT_WISHED);
  const asked = `${said(caller.projectId)}${guarded}|${wishes}|${said(request, NOT_ASKED)}`;
  return `${kind}:${digestOf(asked + routeSaid)}`;
}

function digestOf(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** Under which an answer is kept. */
export function tagsOf({ caller: { projectId } }: RunCall, route: Route): string[] {
  // Route names may hold what a tag may not.
  const ofRoute = `route:${encodeURIComponent(route.name)}`;
  return [EVERY_ANSWER, ofRoute].map((name) => tagInProject(projectId, name));
}

/**
 * A value as a text that no other value has, with the fields of objects in order of their names: two clients that write the same in another
 * order ask the same. Strings go by their length, which costs less than to escape them.
 */
function said(value: unknown, without?: ReadonlySet<string>): string {
  if (typeof value === 'string') return saidText(value);
  if (typeof value !== 'object' || value === null) return `${String(value)};`;
  let text = '';
  if (Array.isArray(value)) {
    for (const inner of value) text += said(inner);
    return `[${text}]`;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name of namesOf(fields)) {
    const inner = fields[name];
    if (inner !== undefined && without?.has(name) !== true) text += saidText(name) + said(inner);
  }
  return `{${text}}`;
}

/** Halves of surrogate pairs, which all look the same to a digest, are escaped. */
function saidText(text: string): string {
  return text.isWellFormed() ? `${text.length}"${text}` : `~${JSON.stringify(text)}`;
}

function namesOf(fields: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(fields);
  for (let at = 1; at < names.length; at++) if ((names[at - 1] ?? '') > (names[at] ?? '')) return names.toSorted();
  return names;
}
