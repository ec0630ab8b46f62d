/**
 * Which calls are cached, and under which key. The key holds all that an answer may depend on: the project, the route as it is configured
 * now, the caller's wishes and the request; on a guarded route also the key that asks, since a guardrail may judge by it. Texts are in it
 * as a digest only.
 */
import { createHash } from 'node:crypto';
import type { RunCall } from '#contract/gateway';
import type { Route } from '../route.ts';
import type { CacheLifetime } from '../settings.ts';

/** The cache's own bound. */
const TAG_CHARS_MAX = 512;

export interface Caching extends CacheLifetime {
  readonly key: string;
  readonly tags: readonly string[];
  readonly anew: boolean;
  readonly ageMsMax: number;
}

/** Null where neither the route nor the caller wants it. */
export function cachingOf(
  kind: 'chat' | 'embedding',
  call: RunCall,
  route: Route | null,
  defaults: CacheLifetime,
): Caching | null {
  const wishes = call.preferences?.cache;
  if (route === null || wishes?.use === false || (route.settings.cache === undefined && wishes?.use !== true))
    return null;
  // A stream's log probabilities come beside its texts: what is put together from its deltas would lack them.
  if (call.request['logprobs'] === true) return null;
  const { ttlMs = defaults.ttlMs, staleOnErrorMs = defaults.staleOnErrorMs } = route.settings.cache ?? {};
  return {
    ttlMs,
    staleOnErrorMs,
    key: keyOf(kind, call, route),
    tags: [`project:${call.caller.projectId}`, tagOf(route.name)],
    anew: wishes?.anew === true,
    ageMsMax: wishes?.ageMsMax ?? Number.POSITIVE_INFINITY,
  };
}

function keyOf(kind: string, { caller, request, preferences }: RunCall, { name, settings }: Route): string {
  const { cache: _, ...wishes } = preferences ?? {};
  const { stream: _stream, stream_options: _options, ...asked } = request;
  const guardedFor = settings.guardrail === undefined ? null : caller.keyId;
  const all = [caller.projectId, guardedFor, name, settings.groups, wishes, asked];
  return `${kind}:${createHash('sha256').update(sorted(all)).digest('base64url')}`;
}

/** Route names may hold what a tag may not. */
function tagOf(route: string): string {
  return `route:${encodeURIComponent(route)}`.slice(0, TAG_CHARS_MAX);
}

/** JSON with the names of objects in order, so that two clients that write the same in another order ask the same. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
