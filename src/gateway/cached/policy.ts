/**
 * Which calls are cached, and under which key. The key holds all that an answer may depend on: the project, the route and its upstreams
 * as they are configured now, the caller's wishes and the request; on a guarded route also the key that asks, since a guardrail may
 * judge by it. Texts are in it as a digest only.
 */
import { hash } from 'node:crypto';
import type { CachedKind } from '#contract/answer-cache';
import { EVERY_ANSWER, inProject } from '#contract/answer-cache';
import type { RunCall } from '#contract/gateway';
import type { Route } from '../route.ts';
import type { CacheLifetime } from '../settings.ts';

/** Of a request and of its caller's wishes, what the answer does not depend on. */
const NOT_ASKED: ReadonlySet<string> = new Set(['stream', 'stream_options']);
const NOT_WISHED: ReadonlySet<string> = new Set(['cache']);
/** The cache's own bound. */
const TAG_CHARS_MAX = 512;

export interface Caching extends CacheLifetime {
  readonly key: string;
  /** The key as callers see it: without their project. */
  readonly name: string;
  readonly tags: readonly string[];
  readonly anew: boolean;
  readonly ageMsMax: number;
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
    tags: [inProject(projectId, EVERY_ANSWER), inProject(projectId, tagOf(route.name)).slice(0, TAG_CHARS_MAX)],
    anew: wishes?.anew === true,
    ageMsMax: wishes?.ageMsMax ?? Number.POSITIVE_INFINITY,
  };
}

/** What of a route and its upstreams an answer may depend on: the same for every call, so it is written once a route. */
export function routeText({ name, settings, groups }: Route): string {
  // A provider of the same name may be another one tomorrow.
  const addresses = groups.flat().map(({ deployment }) => deployment.provider.address);
  return JSON.stringify(ordered([name, settings.groups, addresses]));
}

function nameOf(
  kind: CachedKind,
  { caller, request, preferences }: RunCall,
  { settings }: Route,
  routeSaid: string,
): string {
  const guarded = settings.guardrail === undefined ? null : [caller.keyId, ordered(settings.guardrail)];
  const asked = [caller.projectId, guarded, ordered(preferences ?? {}, NOT_WISHED), ordered(request, NOT_ASKED)];
  return `${kind}:${hash('sha256', JSON.stringify(asked) + routeSaid, 'base64url')}`;
}

/** Route names may hold what a tag may not. */
function tagOf(route: string): string {
  return `route:${encodeURIComponent(route)}`;
}

/**
 * The names of objects and what they hold as lists, in order of the names: two clients that write the same in another order ask the
 * same. Never an object made anew, in which a name could have a meaning of its own (`__proto__`).
 */
function ordered(value: unknown, without?: ReadonlySet<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((inner) => ordered(inner));
  const fields = value as Readonly<Record<string, unknown>>;
  const inOrder: unknown[] = [];
  for (const name of Object.keys(fields).toSorted()) {
    const inner = fields[name];
    if (inner !== undefined && without?.has(name) !== true) inOrder.push(name, ordered(inner));
  }
  return { inOrder };
}
