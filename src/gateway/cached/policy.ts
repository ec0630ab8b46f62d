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
  return sorted([name, settings.groups, addresses]);
}

function nameOf(
  kind: CachedKind,
  { caller, request, preferences }: RunCall,
  { settings }: Route,
  routeSaid: string,
): string {
  const { cache: _, ...wishes } = preferences ?? {};
  const { stream: _stream, stream_options: _options, ...asked } = request;
  const guarded = settings.guardrail === undefined ? null : [caller.keyId, settings.guardrail];
  return `${kind}:${hash('sha256', sorted([caller.projectId, guarded, wishes, asked]) + routeSaid, 'base64url')}`;
}

/** Route names may hold what a tag may not. */
function tagOf(route: string): string {
  return `route:${encodeURIComponent(route)}`;
}

/** JSON with the names of objects in order, so that two clients that write the same in another order ask the same. */
function sorted(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  let text = '';
  for (const name of Object.keys(fields).toSorted()) {
    const inner = fields[name];
    if (inner !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${sorted(inner)}`;
  }
  return `{${text}}`;
}
