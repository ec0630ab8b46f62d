/** Which limits hold for a call: what is stored with a key or a project before what the configuration names, before its defaults. */
import { DEFAULT_ORGANISATION_ID } from '#contract/stores';
import type { LimitKind, LimitPeriod, LimitScope, LimitSettings } from '#contract/admission';
import type { LimitSubjects } from '#contract/limits';

export const MICRO_USD = 1_000_000;

export interface ScopeLimits {
  /** For each that is not named. */
  readonly default: LimitSettings;
  /** What is left out here is as in `default`. */
  readonly named: Readonly<Record<string, LimitSettings>>;
}

export interface LimitsSettings {
  readonly organisations: ScopeLimits;
  readonly projects: ScopeLimits;
  readonly keys: ScopeLimits;
  readonly agents: ScopeLimits;
  readonly routes: ScopeLimits;
  /** A place among the calls under way ends after this time where nobody renews it. */
  readonly leaseMs: number;
}

export interface Rule {
  readonly scope: LimitScope;
  readonly id: string;
  readonly kind: LimitKind;
  readonly period: LimitPeriod;
  readonly max: number;
  /** Unique among all rules; the project is in it where the id is not unique without. */
  readonly name: string;
}

/** Who calls a hub without keys. */
const KEYLESS = 'local';
/** Of one caller: routes, and agents on them. */
const CALLED_KEPT_MAX = 1_000;

const FIELDS = [
  ['requestsPerMinute', 'requests', 'minute'],
  ['tokensPerMinute', 'tokens', 'minute'],
  ['concurrent', 'concurrent', null],
  ['usdPerDay', 'usd', 'day'],
  ['usdPerWeek', 'usd', 'week'],
  ['usdPerMonth', 'usd', 'month'],
] as const satisfies readonly (readonly [keyof LimitSettings, LimitKind, LimitPeriod])[];

export class Rules {
  readonly #settings: LimitsSettings;
  /** A caller stays the same object while his key is known; then so do the rules of what he calls. */
  readonly #ofCaller = new WeakMap<object, Map<string, readonly Rule[]>>();

  constructor(settings: LimitsSettings) {
    this.#settings = settings;
  }

  of({ caller, agent, route }: LimitSubjects): readonly Rule[] {
    const called = agent === null ? (route ?? '') : `${route ?? ''}\n${agent}`;
    let known = this.#ofCaller.get(caller);
    if (known === undefined) this.#ofCaller.set(caller, (known = new Map<string, readonly Rule[]>()));
    let rules = known.get(called);
    if (rules !== undefined) return rules;
    const { organisations, projects, keys, agents, routes } = this.#settings;
    const { organisationId = DEFAULT_ORGANISATION_ID, projectId, keyId, limits = {} } = caller;
    rules = [
      ...rulesOf('organisation', organisationId, organisations),
      ...rulesOf('project', projectId, projects, limits.project),
      ...rulesOf('key', keyId ?? KEYLESS, keys, limits.key),
      ...(agent === null ? [] : rulesOf('agent', agent, agents, {}, `${projectId}:${agent}`)),
      ...(route === null ? [] : rulesOf('route', route, routes)),
    ];
    // Calls name routes that there are; who looks at limits may name any.
    if (known.size < CALLED_KEPT_MAX) known.set(called, rules);
    return rules;
  }
}

function rulesOf(
  scope: LimitScope,
  id: string,
  settings: ScopeLimits,
  stored: LimitSettings = {},
  unique = id,
): readonly Rule[] {
  const named = Object.hasOwn(settings.named, id) ? settings.named[id] : undefined;
  const rules: Rule[] = [];
  for (const [field, kind, period] of FIELDS) {
    const max = stored[field] ?? named?.[field] ?? settings.default[field];
    if (max === undefined) continue;
    const name = `${scope}:${unique}:${kind}${period === null ? '' : `:${period}`}`;
    rules.push({ scope, id, kind, period, max: kind === 'usd' ? Math.round(max * MICRO_USD) : max, name });
  }
  return rules;
}
