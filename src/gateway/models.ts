/**
 * The models that callers may name: the routes' own names, then what the providers offer under the name by which a route reaches it.
 * Asked of the providers at most once a minute, each behind its breaker; a provider that does not answer keeps its last list.
 */
import { Canceller } from '#core/cancel';
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Model } from '#contract/chat';
import type { Logger } from '#contract/logger';
import { UpstreamFailure } from '#contract/provider';
import type { Provider } from '#contract/provider';
import { classify } from './classify.ts';
import type { Breakers, Permit } from './protection.ts';
import type { Router } from './route.ts';

const NEVER = Number.NEGATIVE_INFINITY;
const FRESH_MS = 60_000;
const ANSWER_MS = 5_000;
const MODELS_PER_PROVIDER_MAX = 5_000;

export interface ModelListParts {
  readonly providers: readonly Provider[];
  readonly router: Router;
  readonly breakers: Breakers;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ModelList {
  readonly #parts: ModelListParts;
  readonly #offered = new Map<string, readonly Model[]>();
  #freshUntil = NEVER;
  #refresh: Promise<void> | null = null;

  constructor(parts: ModelListParts) {
    this.#parts = parts;
  }

  /** Rejects with the signal's reason; the question to the providers goes on for the next caller. */
  async get(signal: CancelSignal): Promise<readonly Model[]> {
    if (this.#parts.clock.now() >= this.#freshUntil) {
      this.#refresh ??= this.#ask();
      // Once there is a list, nobody waits for a newer one.
      if (this.#freshUntil === NEVER) await unlessAborted(this.#refresh, signal);
    }
    return this.#list();
  }

  #list(): Model[] {
    const { router, providers } = this.#parts;
    const models = new Map<string, Model>();
    for (const id of router.names) models.set(id, { id, object: 'model', created: 0, owned_by: 'revoagent' });
    for (const provider of providers) {
      for (const model of this.#offered.get(provider.name) ?? []) {
        const id = this.#reachedBy(provider, model.id);
        if (id !== undefined && !models.has(id)) models.set(id, { ...model, id });
      }
    }
    return [...models.values()];
  }

  /** The name under which a route leads to this model, if one does. */
  #reachedBy(provider: Provider, model: string): string | undefined {
    return [`${provider.name}/${model}`, model].find((name) => this.#parts.router.reaches(name, provider, model));
  }

  async #ask(): Promise<void> {
    try {
      await Promise.all(this.#parts.providers.map((provider) => this.#askOne(provider)));
      this.#freshUntil = this.#parts.clock.now() + FRESH_MS;
    } finally {
      this.#refresh = null;
    }
  }

  /** Never rejects: one that cannot be asked keeps its last list. */
  async #askOne(provider: Provider): Promise<void> {
    const { breakers, clock, logger } = this.#parts;
    const controller = new Canceller();
    const timer = clock.schedule(ANSWER_MS, () => controller.abort(new Error(`no answer within ${ANSWER_MS} ms`)));
    let permit: Permit | undefined;
    try {
      const asked = breakers.get(`provider:${provider.name}`).tryAcquire();
      if (!asked.granted) return;
      permit = asked;
      const models = await provider.models(controller.signal);
      permit.success();
      this.#offered.set(provider.name, models.slice(0, MODELS_PER_PROVIDER_MAX));
    } catch (error) {
      permit?.[error instanceof UpstreamFailure ? classify(error, provider.name).breaker : 'failure']();
      logger.warn('models-unknown', { provider: provider.name, reason: messageOf(error) });
    } finally {
      timer.cancel();
    }
  }
}

function unlessAborted<T>(work: Promise<T>, signal: CancelSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
