/**
 * A deployment is a provider and a model: what an attempt goes to, what a breaker guards, what a bulkhead bounds. Those of exact
 * routes live as long as the gateway; those that a pattern makes out of callers' model names are bounded, the longest unused
 * going first, so that nobody can fill the memory with names.
 */
import { LRUCache } from 'lru-cache';
import { flatText } from '#core/flat-text';
import type { DeploymentStatus } from '#contract/gateway';
import type { Provider } from '#contract/provider';
import type { AttemptOutcome } from '#contract/runs';
import { Latency } from './latency.ts';

/** Far more models than any provider offers. */
const PATTERN_DEPLOYMENTS_MAX = 1_000;

export class Deployment {
  readonly id: string;
  readonly provider: Provider;
  readonly model: string;
  /** Its key in the registry of breakers. */
  readonly breaker: string;
  inFlight = 0;
  /** Until the whole of a plain answer, and until the first content of a stream: two things that do not compare. */
  readonly plainLatency = new Latency();
  readonly streamLatency = new Latency();
  lastSuccessWallMs: number | null = null;
  lastFailureWallMs: number | null = null;
  lastFailure: AttemptOutcome | null = null;

  constructor(provider: Provider, model: string) {
    this.id = flatText(`${provider.name}/${model}`);
    this.provider = provider;
    this.model = model;
    this.breaker = `provider:${this.id}`;
  }

  status(): DeploymentStatus {
    const { id, provider, model, breaker, lastSuccessWallMs, lastFailureWallMs, lastFailure } = this;
    return {
      id,
      provider: provider.name,
      kind: provider.kind,
      model,
      breaker,
      lastSuccessWallMs,
      lastFailureWallMs,
      lastFailure,
    };
  }
}

export class Deployments {
  readonly #fixed = new Map<string, Deployment>();
  readonly #made = new LRUCache<string, Deployment>({ max: PATTERN_DEPLOYMENTS_MAX });

  /** The deployment that a route names; the same one for every route that names it. */
  fixed(provider: Provider, model: string): Deployment {
    const id = `${provider.name}/${model}`;
    const deployment = this.#fixed.get(id) ?? new Deployment(provider, model);
    this.#fixed.set(id, deployment);
    return deployment;
  }

  /** The deployment that a pattern and a caller's model name give. */
  made(provider: Provider, model: string): Deployment {
    const id = `${provider.name}/${model}`;
    let deployment = this.#fixed.get(id) ?? this.#made.get(id);
    if (deployment === undefined) {
      deployment = new Deployment(provider, model);
      this.#made.set(id, deployment);
    }
    return deployment;
  }

  list(): DeploymentStatus[] {
    return [...this.#fixed.values(), ...this.#made.values()].map((deployment) => deployment.status());
  }
}
