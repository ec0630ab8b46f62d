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
  names: Names,
): Caching | null {
  const wishes = call.preferences?.cache;
  if (route === null || wishes?.use === false || (route.settings.cache === undefined && wishes?.use !== true))
    return null;
  const { ttlMs = defaults.ttlMs, staleOnErrorMs = defaults.staleOnErrorMs } = route.settings.cache ?? {};
  const { projectId } = call.caller;
  const name = names.nameOf(kind, call, route);
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

interface Named {
  readonly before: string;
  readonly after: string;
  readonly name: string;
}

/** The names of what is cached; what is the same for many calls is made once. */
export class Names {
  readonly #routeTexts = new WeakMap<Route, string>();
  /** The last name of a request that comes again and again: such a one is frozen, so its name is what it was. */
  readonly #named = new WeakMap<RunCall['request'], Named>();

  nameOf(
    kind: CachedKind,
    { caller, request, preferences }: Pick<RunCall, 'caller' | 'request' | 'preferences'>,
    route: Route,
  ): string {
    const { guardrail } = route.settings;
    const guarded = guardrail === undefined ? '' : said([caller.keyId, guardrail]);
    const before = `${said(caller.projectId)}${guarded}|${said(preferences ?? {}, NOT_WISHED)}|`;
    const after = this.#textOf(route);
    const isShared = Object.isFrozen(request);
    const last = isShared ? this.#named.get(request) : undefined;
    if (last?.before === before && last.after === after) return last.name;
    const name = `${kind}:${digestOf(before + said(request, NOT_ASKED) + after)}`;
    if (isShared) this.#named.set(request, { before, after, name });
    return name;
  }

  /** A digest of what of a route and its upstreams an answer may depend on. */
  #textOf(route: Route): string {
    let text = this.#routeTexts.get(route);
    if (text === undefined) {
      const { name, settings, groups } = route;
      // A provider of the same name may be another one tomorrow.
      const addresses = groups.flat().map(({ deployment }) => deployment.provider.address);
      text = digestOf(said([name, settings.groups, addresses]));
      this.#routeTexts.set(route, text);
    }
    return text;
  }
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
