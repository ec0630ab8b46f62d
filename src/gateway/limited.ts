/**
 * The gateway behind its limits: a call is admitted before the cache is asked, and settled when its run ends. An answer from the cache
 * costs a request, and neither tokens nor money.
 */
import type { RunCall } from '#contract/gateway';
import type { Admission, LimitAmounts } from '#contract/admission';
import type { Limits } from '#contract/limits';
import { LimitExceededError } from '#contract/limits';
import type { AttemptRecord, RunRecord } from '#contract/runs';
import { estimateOf } from './estimate.ts';
import type { Prices } from './prices.ts';
import type { Router } from './route.ts';

const NOTHING: LimitAmounts = { tokens: 0, microUsd: 0 };

export class Limited {
  readonly #limits: Limits;
  readonly #router: Router;
  readonly #prices: Prices;

  constructor(limits: Limits, router: Router, prices: Prices) {
    this.#limits = limits;
    this.#router = router;
    this.#prices = prices;
  }

  /** The answer to the call, where it is admitted. Throws `LimitExceededError` where it is not. */
  run<Call extends RunCall, Answer>(call: Call, answer: (call: Call) => Promise<Answer>): Promise<Answer> {
    const estimate = (): LimitAmounts => estimateOf(call, this.#router.find(call.request.model), this.#prices);
    const admitting = this.#admit(call, estimate);
    return admitting === null ? answer(call) : admitting.then((admission) => answer({ ...call, admission }));
  }

  /** As `run`, for what begins no run that would settle it: it costs a request, and neither tokens nor money. */
  async free<Answer>(call: RunCall, answer: () => Promise<Answer>): Promise<Answer> {
    const admission = await this.#admit(call, () => NOTHING);
    try {
      return await answer();
    } finally {
      admission?.settle(NOTHING);
    }
  }

  /** Null where nothing limits it. */
  #admit(call: RunCall, estimate: () => LimitAmounts): Promise<Admission> | null {
    const { caller, agent = null, runId, request } = call;
    const route = this.#router.nameOf(request.model);
    const admitting = this.#limits.admit({ caller, agent, route, id: runId, estimate });
    if (admitting === null) return null;
    return admitting.then(
      (admission) => {
        call.onLimits?.(admission.standings);
        return admission;
      },
      (thrown: unknown) => {
        if (thrown instanceof LimitExceededError) call.onLimits?.(thrown.standings, thrown.limit);
        throw thrown;
      },
    );
  }
}

/** Attempts that ended so never reached a model, or were told by it that they are not charged for. */
const FREE: ReadonlySet<AttemptRecord['outcome']> = new Set([
  'breaker_open',
  'bulkhead_full',
  'unreachable',
  'status',
  'untranslatable',
  'timeout_connect',
]);

/** What a run has come to; an attempt of which that is not known, at its estimate. */
export function spentIn({ attempts, answered }: RunRecord, estimate: LimitAmounts): LimitAmounts {
  let tokens = 0;
  let microUsd = 0;
  if (answered !== undefined) return { tokens, microUsd };
  for (const { outcome, promptTokens, completionTokens, costMicroUsd } of attempts) {
    const known = promptTokens !== null || completionTokens !== null;
    if (!known && FREE.has(outcome)) continue;
    tokens += known ? (promptTokens ?? 0) + (completionTokens ?? 0) : estimate.tokens;
    microUsd += costMicroUsd ?? estimate.microUsd;
  }
  return { tokens, microUsd };
}
