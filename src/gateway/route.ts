/**
 * From a model name to the deployments that may answer it: the exact name first, then the pattern with the longest prefix. A pattern
 * `openai/*` passes on what stands for the star, `gpt-*` the whole name. Knows no health: which deployment is tried is the plan's.
 */
import { closest, distance } from 'fastest-levenshtein';
import { CallerError } from '#core/errors';
import type { Provider } from '#contract/provider';
import type { Deployment } from './deployment.ts';
import { Deployments } from './deployment.ts';
import type { RouteSettings, Routes, RouteTarget } from './settings.ts';

export interface Choice {
  readonly deployment: Deployment;
  readonly weight: number;
  readonly timeouts: RouteTarget['timeouts'];
}

export interface Route {
  /** The name or pattern it has in the configuration. */
  readonly name: string;
  readonly settings: RouteSettings;
  readonly groups: readonly (readonly Choice[])[];
}

interface Pattern {
  readonly name: string;
  readonly prefix: string;
  readonly settings: RouteSettings;
}

const NAMES_SHOWN_MAX = 8;

export class Router {
  readonly deployments = new Deployments();
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #exact = new Map<string, Route>();
  /** Longest prefix first. */
  readonly #patterns: readonly Pattern[];

  /** Throws an `Error` that names the route whose provider does not exist, or which has no deployment. */
  constructor(routes: Routes, providers: ReadonlyMap<string, Provider>) {
    this.#providers = providers;
    const patterns: Pattern[] = [];
    for (const [name, settings] of Object.entries(routes)) {
      if (settings.groups.length === 0 || settings.groups.some((group) => group.length === 0))
        throw new Error(`The route "${name}" has a group without a deployment.`);
      if (name.endsWith('*')) {
        // A target that names its model is there before anybody calls it; the rest wait for the callers' names.
        for (const target of settings.groups.flat()) {
          const provider = this.#provider(name, target);
          if (target.model !== undefined && !target.model.includes('*')) this.deployments.fixed(provider, target.model);
        }
        patterns.push({ name, prefix: name.slice(0, -1), settings });
      } else {
        const groups = this.#groups(name, settings, (target, provider) =>
          this.deployments.fixed(provider, modelOf(target, name)),
        );
        this.#exact.set(name, { name, settings, groups });
      }
    }
    this.#patterns = patterns.toSorted((one, other) => other.prefix.length - one.prefix.length);
  }

  /** The names that can be asked for as they are. */
  get names(): string[] {
    return [...this.#exact.keys()];
  }

  /** The name or pattern that serves the model. Makes no deployment. */
  nameOf(model: string): string | null {
    return this.#exact.has(model) ? model : (this.#match(model)?.name ?? null);
  }

  find(model: string): Route | null {
    const exact = this.#exact.get(model);
    if (exact !== undefined) return exact;
    const found = this.#match(model);
    if (found === null) return null;
    const { name, settings, passed } = found;
    const groups = this.#groups(name, settings, (target, provider) =>
      this.deployments.made(provider, modelOf(target, passed)),
    );
    return { name, settings, groups };
  }

  /** Whether a call for `name` may go to this model of this provider. Makes no deployment: lists of models are long. */
  reaches(name: string, provider: Provider, model: string): boolean {
    const found = this.#match(name);
    if (found === null) return false;
    return found.settings.groups.some((group) =>
      group.some((target) => target.provider === provider.name && modelOf(target, found.passed) === model),
    );
  }

  /** As `find`; throws `CallerError('model_not_found')` that names the nearest model there is. */
  require(model: string): Route {
    const route = this.find(model);
    if (route !== null) return route;
    const known = [...this.#exact.keys(), ...this.#patterns.map(({ name }) => name)];
    const nearest = known.length === 0 ? undefined : closest(model, known);
    const near = nearest !== undefined && distance(model, nearest) <= Math.max(2, model.length / 3);
    const shown = known.slice(0, NAMES_SHOWN_MAX).join(', ') + (known.length > NAMES_SHOWN_MAX ? ', …' : '');
    const advice = near ? `Did you mean "${nearest}"?` : `There is: ${shown}.`;
    throw new CallerError('model_not_found', `No route serves the model "${model}". ${advice}`, { param: 'model' });
  }

  /** The route for a model name, and the name that it passes on. */
  #match(model: string): { name: string; settings: RouteSettings; passed: string } | null {
    const exact = this.#exact.get(model);
    if (exact !== undefined) return { name: model, settings: exact.settings, passed: model };
    for (const { name, prefix, settings } of this.#patterns) {
      if (!model.startsWith(prefix)) continue;
      const passed = prefix.endsWith('/') ? model.slice(prefix.length) : model;
      if (passed !== '') return { name, settings, passed };
    }
    return null;
  }

  #groups(
    route: string,
    settings: RouteSettings,
    make: (target: RouteTarget, provider: Provider) => Deployment,
  ): Choice[][] {
    return settings.groups.map((group) =>
      group.map((target) => ({
        deployment: make(target, this.#provider(route, target)),
        weight: target.weight ?? 1,
        timeouts: target.timeouts,
      })),
    );
  }

  #provider(route: string, target: RouteTarget): Provider {
    const provider = this.#providers.get(target.provider);
    if (provider === undefined)
      throw new Error(`The route "${route}" names the provider "${target.provider}", which does not exist.`);
    return provider;
  }
}

/** A function for the replacement: a model name may hold `$&`, which means something in a replacement text. */
function modelOf(target: RouteTarget, passed: string): string {
  return target.model === undefined ? passed : target.model.replace('*', () => passed);
}
