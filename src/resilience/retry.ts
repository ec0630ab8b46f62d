/**
 * More attempts, where another one can help and cannot harm: with full jitter, so that callers who failed together do not come back
 * together (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter), and out of a budget, so that an
 * outage is not multiplied by everyone's retries.
 */
import type { Clock, Timer } from '#core/clock';
import type { Random } from '#core/random';
import type { Stage } from './attempt.ts';
import { inRange } from './in-range.ts';
import type { Outcome } from './outcome.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Operation, Scope } from './scope.ts';

export interface RetryOptions {
  /** All attempts together, the first included, from 1. Default 3. */
  readonly attempts?: number;
  /** Upper bound of the first wait in milliseconds; it doubles with each attempt. Default 100. */
  readonly baseMs?: number;
  /** Upper bound of any wait that is drawn. Default 2000. */
  readonly maxMs?: number;
  /** The longest Retry-After that is waited for; a longer one ends the call. Default 10 000. */
  readonly retryAfterMaxMs?: number;
  /**
   * Whether doing it twice is as good as once. Default false: then only what the upstream certainly did not do is repeated (it could
   * not be connected to, or answered 408 or 429).
   */
  readonly idempotent?: boolean;
  /** Default: one budget for the pipeline's retries and hedges. */
  readonly budget?: RetryBudget;
}

export interface RetryDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
  readonly retried: (attempt: number, delayMs: number) => void;
}

export class Retry implements Stage {
  readonly #next: Stage;
  readonly #dependencies: RetryDependencies;
  readonly #attempts: number;
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #retryAfterMaxMs: number;
  readonly #idempotent: boolean;

  constructor(next: Stage, options: RetryOptions, dependencies: RetryDependencies) {
    const { attempts = 3, baseMs = 100, maxMs = 2_000, retryAfterMaxMs = 10_000, idempotent = false } = options;
    this.#next = next;
    this.#dependencies = dependencies;
    this.#attempts = inRange('attempts', attempts, 1);
    this.#baseMs = inRange('baseMs', baseMs, 0);
    this.#maxMs = inRange('maxMs', maxMs, 0);
    this.#retryAfterMaxMs = inRange('retryAfterMaxMs', retryAfterMaxMs, 0);
    this.#idempotent = idempotent;
  }

  async run<T>(scope: Scope, operation: Operation<T>): Promise<Outcome<T>> {
    this.#dependencies.budget.recordCall();
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#next.run(scope, operation);
      if (attempt >= this.#attempts || !this.#mayRepeat(outcome)) return outcome;
      const delayMs = this.#delayMs(outcome, attempt);
      if (delayMs === undefined || delayMs >= scope.remainingMs || !this.#dependencies.budget.tryRetry())
        return outcome;
      scope.renew();
      this.#dependencies.retried(scope.attempt, delayMs);
      const waited = await this.#sleep(scope, delayMs);
      if (typeof waited !== 'boolean') return waited;
    }
  }

  #mayRepeat(outcome: Outcome<unknown>): boolean {
    if (outcome.kind === 'timeout') return this.#idempotent && outcome.scope === 'attempt';
    if (outcome.kind !== 'failed') return false;
    const { kind, unsent } = outcome.verdict;
    return kind === 'throttled' || (kind === 'failure' && (unsent || this.#idempotent));
  }

  /** Undefined where the upstream wants more patience than we have. */
  #delayMs(outcome: Outcome<unknown>, attempt: number): number | undefined {
    const retryAfterMs = outcome.kind === 'failed' ? outcome.verdict.retryAfterMs : 0;
    if (retryAfterMs > this.#retryAfterMaxMs) return undefined;
    const ceiling = Math.min(this.#baseMs * 2 ** (attempt - 1), this.#maxMs);
    return Math.max(retryAfterMs, this.#dependencies.random.next() * ceiling);
  }

  #sleep(scope: Scope, delayMs: number): ReturnType<Scope['wait']> {
    let timer: Timer | undefined;
    return scope.wait(
      (done) => {
        timer = this.#dependencies.clock.schedule(delayMs, () => done(true), true);
      },
      () => timer?.cancel(),
    );
  }
}
