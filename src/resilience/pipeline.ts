/**
 * The mechanisms around one upstream, put together once and used for every call:
 * `pipeline().fallback().deadline().retry().hedge().breaker().bulkhead().adaptive().timeout().build()`, each part optional, in this
 * order only. An order that cannot be right is refused when the pipeline is built, not found out in an outage.
 */
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { systemRandom } from '#core/random';
import type { Random } from '#core/random';
import { AdaptiveLimit } from './adaptive-limit.ts';
import type { AdaptiveLimitOptions } from './adaptive-limit.ts';
import { Attempt } from './attempt.ts';
import type { Stage } from './attempt.ts';
import type { Breaker } from './breaker/breaker.ts';
import { Bulkhead } from './bulkhead.ts';
import type { BulkheadOptions } from './bulkhead.ts';
import { Hedge } from './hedge.ts';
import type { HedgeOptions } from './hedge.ts';
import type { Refusal } from './outcome.ts';
import { Pipeline } from './calls.ts';
import { Retry } from './retry.ts';
import type { RetryOptions } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';
import { TimerQueue } from './timer-queue.ts';
import { FAILURE, verdictOfError } from './verdict.ts';
import type { Verdict } from './verdict.ts';

/** What a pipeline did beyond calling once. Breakers tell of their transitions themselves. */
export type PipelineEvent =
  | { readonly kind: 'call-retried'; readonly attempt: number; readonly delayMs: number }
  | { readonly kind: 'call-hedged'; readonly delayMs: number }
  | { readonly kind: 'call-degraded'; readonly refusal: Refusal };

export interface PipelineOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** What an error says about the upstream. Default: by HTTP status where it has one, else a failure. */
  readonly judgeError?: (error: unknown) => Verdict;
  /** What a value says, for operations that do not throw: `(response) => verdictOfStatus(response.status)`. Default: success. */
  readonly judgeValue?: (value: unknown) => Verdict;
  /** What it throws changes nothing. */
  readonly onEvent?: (event: PipelineEvent) => void;
}

/** Why each part stands before those that follow it. */
const ORDER = {
  fallback: 'a fallback answers for everything inside it',
  deadline: 'a deadline bounds all attempts and the waits between them',
  retry: 'a retry inside the breaker would hide failures from it, or multiply them',
  hedge: 'a hedge that the breaker or a bulkhead does not see would double the load in an outage',
  breaker: 'a breaker outside counts what the parts inside it stopped',
  bulkhead: 'a slot is held for one attempt, and a wait for it is not the upstream’s slowness',
  adaptive: 'the limit learns from the time of the attempt alone',
  timeout:
    'a timeout outside the breaker would be the caller’s, and not counted; the limit of the whole call is deadline()',
} as const;
type Part = keyof typeof ORDER;
const PARTS: readonly string[] = Object.keys(ORDER);

export class PipelineOrderError extends Error {
  override readonly name = 'PipelineOrderError';
}

/** Starts a pipeline. */
export function pipeline(options: PipelineOptions = {}): PipelineBuilder<never> {
  return new PipelineBuilder(options, {}, []);
}

interface Parts<F> {
  readonly fallback?: (refusal: Refusal) => F | PromiseLike<F>;
  readonly deadlineMs?: number;
  readonly retry?: RetryOptions;
  readonly hedge?: HedgeOptions;
  readonly breaker?: Breaker;
  readonly bulkhead?: Bulkhead;
  readonly limit?: AdaptiveLimit;
  readonly timeoutMs?: number;
}

/** `F`: what the fallback answers with. */
export class PipelineBuilder<F> {
  readonly #options: PipelineOptions;
  readonly #parts: Parts<F>;
  readonly #names: readonly Part[];

  constructor(options: PipelineOptions, parts: Parts<F>, names: readonly Part[]) {
    this.#options = options;
    this.#parts = parts;
    this.#names = names;
  }

  /** Answers instead, whatever went wrong but the caller's own abort. */
  fallback<G>(answer: (refusal: Refusal) => G | PromiseLike<G>): PipelineBuilder<G> {
    const { fallback: replaced, ...parts } = this.#parts;
    void replaced;
    return new PipelineBuilder<G>(this.#options, { ...parts, fallback: answer }, this.#checked('fallback'));
  }

  /** Longest time of the whole call in milliseconds. */
  deadline(deadlineMs: number): PipelineBuilder<F> {
    return this.#with('deadline', { deadlineMs: positive('deadline', deadlineMs) });
  }

  retry(options: RetryOptions = {}): PipelineBuilder<F> {
    return this.#with('retry', { retry: options });
  }

  hedge(options: HedgeOptions = {}): PipelineBuilder<F> {
    return this.#with('hedge', { hedge: options });
  }

  breaker(breaker: Breaker): PipelineBuilder<F> {
    return this.#with('breaker', { breaker });
  }

  /** Options, or a bulkhead that several pipelines share. */
  bulkhead(bulkhead: Bulkhead | BulkheadOptions = {}): PipelineBuilder<F> {
    const clock = this.#options.clock ?? systemClock;
    return this.#with('bulkhead', {
      bulkhead: bulkhead instanceof Bulkhead ? bulkhead : new Bulkhead({ clock, ...bulkhead }),
    });
  }

  adaptive(limit: AdaptiveLimit | AdaptiveLimitOptions = {}): PipelineBuilder<F> {
    return this.#with('adaptive', { limit: limit instanceof AdaptiveLimit ? limit : new AdaptiveLimit(limit) });
  }

  /** Longest time of one attempt in milliseconds; of a stream, until its first part. */
  timeout(timeoutMs: number): PipelineBuilder<F> {
    return this.#with('timeout', { timeoutMs: positive('timeout', timeoutMs) });
  }

  build(): Pipeline<F> {
    const { clock = systemClock, random = systemRandom, onEvent } = this.#options;
    const { fallback, deadlineMs, retry, hedge, breaker, bulkhead, limit, timeoutMs } = this.#parts;
    const emit = (event: PipelineEvent): void => {
      try {
        onEvent?.(event);
      } catch {
        // A listener's failure is the listener's.
        return;
      }
    };
    const judgeError = safely(this.#options.judgeError ?? verdictOfError);
    const judgeValue = this.#options.judgeValue && safely(this.#options.judgeValue);
    const timeout = timeoutMs === undefined ? undefined : new TimerQueue(clock, timeoutMs);
    const innermost = new Attempt({ clock, breaker, bulkhead, limit, timeout, judgeError, judgeValue });
    const free = this.#names.every((name) => name === 'breaker') && judgeValue === undefined ? innermost : undefined;
    let stage: Stage = innermost;
    const budget = new RetryBudget({ clock });
    if (hedge !== undefined) {
      const hedged = (delayMs: number): void => emit({ kind: 'call-hedged', delayMs });
      // A call is counted once: by the retry around the hedge, where there is one.
      stage = new Hedge(stage, hedge, { clock, budget: hedge.budget ?? budget, counts: retry === undefined, hedged });
    }
    if (retry !== undefined) {
      const retried = (attempt: number, delayMs: number): void => emit({ kind: 'call-retried', attempt, delayMs });
      stage = new Retry(stage, retry, { clock, random, budget: retry.budget ?? budget, retried });
    }
    const deadline = deadlineMs === undefined ? undefined : new TimerQueue(clock, deadlineMs);
    const endsEarly = timeout !== undefined || deadline !== undefined;
    const degraded = (refusal: Refusal): void => emit({ kind: 'call-degraded', refusal });
    return new Pipeline<F>({ clock, stage, free, deadline, endsEarly, fallback, degraded, judgeError });
  }

  #with(name: Part, part: Parts<F>): PipelineBuilder<F> {
    return new PipelineBuilder(this.#options, { ...this.#parts, ...part }, this.#checked(name));
  }

  #checked(name: Part): readonly Part[] {
    const last = this.#names.at(-1);
    if (last !== undefined && PARTS.indexOf(last) >= PARTS.indexOf(name)) {
      const why = last === name ? 'it is there already' : ORDER[name];
      throw new PipelineOrderError(`${name}() cannot follow ${last}(): ${why}. The order is ${PARTS.join(', ')}.`);
    }
    return [...this.#names, name];
  }
}

function positive(name: string, ms: number): number {
  if (!(ms > 0)) throw new RangeError(`${name} is more than 0 ms, not ${ms}`);
  return ms;
}

/** Callers in JavaScript may forget one, or have a judge that is asynchronous. */
const VERDICTS: ReadonlySet<unknown> = new Set<Verdict['kind']>(['success', 'failure', 'throttled', 'neutral']);

/** A judge that throws, or gives what is no verdict, has none, and an unknown end is not a good one. */
function safely(judge: (settled: unknown) => Verdict): (settled: unknown) => Verdict {
  return (settled) => {
    try {
      const verdict = judge(settled);
      if (!VERDICTS.has(verdict.kind)) return FAILURE;
      return verdict.retryAfterMs >= 0 ? verdict : { ...verdict, retryAfterMs: 0 };
    } catch {
      return FAILURE;
    }
  };
}
