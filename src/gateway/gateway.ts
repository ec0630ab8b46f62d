/** The gateway put together: one object of use cases over routes, providers and protection. Holds no state of its own. */
import type { AnswerCache } from '#contract/answer-cache';
import type { Gateway } from '#contract/gateway';
import type { Limits } from '#contract/limits';
import type { Provider } from '#contract/provider';
import type { CallContext } from './attempts.ts';
import { SharedAnswers } from './cached/shared-answers.ts';
import { countTokens } from './count-tokens.ts';
import { Limited } from './limited.ts';
import { ModelList } from './models.ts';
import { Router } from './route.ts';
import type { Routes } from './settings.ts';

export interface GatewayParts extends CallContext {
  readonly providers: readonly Provider[];
  readonly routes: Routes;
  readonly answers: AnswerCache;
  readonly limits: Limits;
}

/** Throws an `Error` where a route names a provider that is not there. Closes nothing: providers belong to who made them. */
export function createGateway(parts: GatewayParts): Gateway {
  const { providers, routes } = parts;
  const router = new Router(routes, new Map(providers.map((provider) => [provider.name, provider])));
  const shared = new SharedAnswers(parts, router, routes, parts.answers);
  const limited = new Limited(parts.limits, router, parts.prices);
  const models = new ModelList({ ...parts, router });
  return {
    complete: (call) => limited.run(call, (admitted) => shared.complete(admitted)),
    stream: (call) => limited.run(call, (admitted) => shared.stream(admitted)),
    embed: (call) => limited.run(call, (admitted) => shared.embed(admitted)),
    countTokens: (call) => limited.free(call, () => countTokens(parts, router, call)),
    models: (_caller, signal) => models.get(signal),
    deployments: () => router.deployments.list(),
  };
}
