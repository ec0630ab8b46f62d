/**
 * One attempt: asks the breaker, takes a slot, starts the timer, calls, and gives all of it back, exactly once, however it ends. The
 * breaker is asked first, because a rejection is the cheapest answer; the timer runs inside it, because the upstream's slowness is
 * the upstream's failure.
 */
import type { Clock } from '#core/clock';
import type { AdaptiveLimit } from './adaptive-limit.ts';
import type { Breaker } from './breaker/breaker.ts';
import type { Permit } from './breaker/permit.ts';
import type { Bulkhead } from './bulkhead.ts';
import { OpenStream } from './open-stream.ts';
import { BadValueError, errorOf, ok } from './outcome.ts';
import type { Outcome } from './outcome.ts';
import type { CallContext, Operation, Scope } from './scope.ts';
import type { TimerQueue } from './timer-queue.ts';
import { FAILURE, NEUTRAL, SUCCESS } from './verdict.ts';
import type { Verdict } from './verdict.ts';

/** What an operation sees of a call that nothing ends early. Each signal is its own, so that no listener outlives its call. */
const FREE: CallContext = Object.freeze({
  attempt: 1,
  remainingMs: Number.POSITIVE_INFINITY,
  get signal() {
    return new AbortController().signal;
  },
});

/** A part of a pipeline. Never rejects. */
export interface Stage {
  run<T>(scope: Scope, operation: Operation<T>): Promise<Outcome<T>>;
}

export interface AttemptParts {
  readonly clock: Clock;
  readonly breaker: Breaker | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly limit: AdaptiveLimit | undefined;
  readonly timeout: TimerQueue | undefined;
  /** Neither throws. */
  readonly judgeError: (error: unknown) => Verdict;
  readonly judgeValue: ((value: unknown) => Verdict) | undefined;
}

export class Attempt implements Stage {
  readonly #parts: AttemptParts;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
  }

  run<T>(scope: Scope, operation: Operation<T>): Promise<Outcome<T>> {
    const permit = this.#parts.breaker?.tryAcquire();
    return permit?.granted === false ? Promise.resolve(permit) : this.#permitted(scope, operation, permit);
  }

  async #permitted<T>(scope: Scope, operation: Operation<T>, permit: Permit | undefined): Promise<Outcome<T>> {
    const { bulkhead, limit, timeout, clock, judgeError } = this.#parts;
    if (bulkhead !== undefined && !bulkhead.tryEnter()) {
      const entered = await bulkhead.enter(scope);
      if (entered !== true) {
        permit?.ignore();
        return entered === false ? { kind: 'bulkhead', concurrent: bulkhead.concurrent } : entered;
      }
    }
    if (limit?.tryEnter() === false) {
      permit?.ignore();
      bulkhead?.leave();
      return { kind: 'shed', limit: limit.limit };
    }
    const startedAt = limit === undefined ? 0 : clock.now();
    const timer = timeout?.add(() => scope.cancel({ kind: 'attempt', limitMs: timeout.limitMs }));
    let ended: Outcome<T>;
    if (scope.cancellable) ended = await scope.run(operation, judgeError);
    else {
      // As `scope.run` would, without the promise that a race needs.
      try {
        ended = ok(await operation(scope));
      } catch (error) {
        ended = { kind: 'failed', error, verdict: judgeError(error) };
      }
    }
    const outcome = this.#judged(ended);
    timer?.remove();
    if (outcome.kind === 'ok' && outcome.value instanceof OpenStream) {
      outcome.value.onEnd((verdict) => this.#settle(permit, verdict, startedAt, false));
    } else this.#settle(permit, verdictOf(outcome), startedAt, outcome.kind === 'timeout');
    return outcome;
  }

  /** A call that nothing but its breaker looks at, and nothing can end early: without a scope, which would cost as much as the rest. */
  runFree<T>(operation: Operation<T>): Promise<Outcome<T>> {
    const permit = this.#parts.breaker?.tryAcquire();
    return permit?.granted === false ? Promise.resolve(permit) : this.#free(operation, permit);
  }

  /** As `runFree`, with the value itself, or what `errorOf` makes of the outcome. */
  throwFree<T>(operation: Operation<T>): Promise<T> {
    const permit = this.#parts.breaker?.tryAcquire();
    return permit?.granted === false ? Promise.reject(errorOf(permit)) : this.#freeValue(operation, permit);
  }

  async #free<T>(operation: Operation<T>, permit: Permit | undefined): Promise<Outcome<T>> {
    try {
      const value = await operation(FREE);
      permit?.success();
      return ok(value);
    } catch (error) {
      const verdict = this.#parts.judgeError(error);
      if (permit !== undefined) settlePermit(permit, verdict);
      return { kind: 'failed', error, verdict };
    }
  }

  async #freeValue<T>(operation: Operation<T>, permit: Permit | undefined): Promise<T> {
    try {
      const value = await operation(FREE);
      permit?.success();
      return value;
    } catch (error) {
      if (permit !== undefined) settlePermit(permit, this.#parts.judgeError(error));
      throw error;
    }
  }

  #judged<T>(outcome: Outcome<T>): Outcome<T> {
    const { judgeValue } = this.#parts;
    if (judgeValue === undefined || outcome.kind !== 'ok' || outcome.value instanceof OpenStream) return outcome;
    const verdict = judgeValue(outcome.value);
    if (verdict.kind === 'success' || verdict.kind === 'neutral') return outcome;
    return { kind: 'failed', error: new BadValueError(outcome.value), verdict };
  }

  #settle(permit: Permit | undefined, verdict: Verdict, startedAt: number, timedOut: boolean): void {
    const { bulkhead, limit, clock } = this.#parts;
    bulkhead?.leave();
    if (permit !== undefined) settlePermit(permit, verdict);
    if (limit === undefined) return;
    if (timedOut || verdict.kind === 'throttled') limit.overloaded();
    else if (verdict.kind === 'success') limit.answered(clock.now() - startedAt);
    else limit.ignored();
  }
}

function settlePermit(permit: Permit, { kind, retryAfterMs }: Verdict): void {
  switch (kind) {
    case 'success':
      return permit.success();
    case 'failure':
      return permit.failure(retryAfterMs);
    case 'throttled':
      return permit.throttled(retryAfterMs);
    case 'neutral':
      return permit.ignore();
  }
}

function verdictOf(outcome: Outcome<unknown>): Verdict {
  switch (outcome.kind) {
    case 'ok':
      return SUCCESS;
    case 'failed':
      return outcome.verdict;
    case 'timeout':
      return FAILURE;
    default:
      return NEUTRAL;
  }
}
