/**
 * One attempt: asks the breaker, takes a slot, starts the timer, calls, and gives all of it back, exactly once, however it ends. The
 * breaker is asked first, because a rejection is the cheapest answer, and once more by who had to wait for a slot; the timer runs inside it, because the upstream's slowness is
 * the upstream's failure.
 */
import type { Clock } from '#core/clock';
import type { AdaptiveLimit } from './adaptive-limit.ts';
import type { Breaker } from './breaker/breaker.ts';
import type { Permit, Rejection } from './breaker/permit.ts';
import type { Bulkhead } from './bulkhead.ts';
import { OpenStream } from './open-stream.ts';
import { BadValueError, BrokenCircuitError, ok } from './outcome.ts';
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

/** Where the ends of a call go. Passed to `then`, which costs half of an async function, where they need not be made for every call. */
interface Ends {
  ok<T>(this: void, value: T): Outcome<T>;
  failed(this: void, error: unknown): Outcome<never>;
  value<T>(this: void, value: T): T;
  thrown(this: void, error: unknown): never;
}

export class Attempt implements Stage {
  readonly #parts: AttemptParts;
  #refused: BrokenCircuitError | undefined;
  /** The ends of calls through a circuit that is well, as long as it is. */
  #usual: { readonly generation: number; readonly ends: Ends } | undefined;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
  }

  run<T>(scope: Scope, operation: Operation<T>): Promise<Outcome<T>> {
    const permit = this.#parts.breaker?.tryAcquire();
    return permit?.granted === false ? Promise.resolve(permit) : this.#permitted(scope, operation, permit);
  }

  async #permitted<T>(scope: Scope, operation: Operation<T>, first: Permit | undefined): Promise<Outcome<T>> {
    const { breaker, bulkhead, limit, timeout, clock, judgeError } = this.#parts;
    let permit = first;
    if (bulkhead !== undefined && !bulkhead.tryEnter()) {
      const entered = await bulkhead.enter(scope);
      permit?.ignore();
      if (entered !== true) return entered === false ? { kind: 'bulkhead', concurrent: bulkhead.concurrent } : entered;
      // Who leaves in the moment in which he is let in has the slot.
      if (scope.ended !== undefined) {
        bulkhead.leave();
        return scope.ended;
      }
      // The circuit may have opened meanwhile, and a queue full of callers must not go on to an upstream that is down.
      const again = breaker?.tryAcquire();
      if (again?.granted === false) {
        bulkhead.leave();
        return again;
      }
      permit = again;
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
    timer?.cancel();
    if (outcome.kind === 'ok' && outcome.value instanceof OpenStream) {
      permit?.wellSoFar();
      outcome.value.onEnd((verdict) => this.#settle(permit, verdict, startedAt, false));
    } else this.#settle(permit, verdictOf(outcome), startedAt, outcome.kind === 'timeout');
    return outcome;
  }

  /** A call that nothing but its breaker looks at, and nothing can end early: without a scope, which would cost as much as the rest. */
  runFree<T>(operation: Operation<T>): Promise<Outcome<T>> {
    const ends = this.#enter();
    return 'kind' in ends ? Promise.resolve(ends) : begun(operation).then(ends.ok, ends.failed);
  }

  /** As `runFree`, with the value itself, or what `errorOf` makes of the outcome. */
  throwFree<T>(operation: Operation<T>): Promise<T> {
    const ends = this.#enter();
    return 'kind' in ends ? Promise.reject(this.#refusedBy(ends)) : begun(operation).then(ends.value, ends.thrown);
  }

  /** Whoever is refused within one millisecond is told so by one error: to make it costs more than to refuse. */
  #refusedBy(rejection: Rejection): BrokenCircuitError {
    const { reason, retryAfterMs } = rejection;
    if (this.#refused?.reason !== reason || this.#refused.retryAfterMs !== retryAfterMs)
      this.#refused = new BrokenCircuitError(rejection);
    return this.#refused;
  }

  /** Leave for one call, or why there is none. */
  #enter(): Ends | Rejection {
    const { breaker, judgeError } = this.#parts;
    const generation = breaker?.enterFree();
    if (breaker === undefined || generation === undefined) {
      const permit = breaker?.tryAcquire();
      if (permit?.granted === false) return permit;
      return endsOf(permit, judgeError);
    }
    if (this.#usual?.generation !== generation) {
      const leave = { success: () => breaker.succeedFree(generation), permit: () => breaker.permitOf(generation) };
      this.#usual = { generation, ends: endsOf(leave, judgeError) };
    }
    return this.#usual.ends;
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

/** Never throws, so that there is one way to fail. */
function begun<T>(operation: Operation<T>): Promise<T> {
  try {
    return Promise.resolve(operation(FREE)) as Promise<T>;
  } catch (error) {
    return Promise.reject(error);
  }
}

interface Leave {
  success(): void;
  /** For any other end. */
  permit(): Permit;
}

function endsOf(leave: Leave | Permit | undefined, judgeError: (error: unknown) => Verdict): Ends {
  const judged = (error: unknown): Verdict => {
    const verdict = judgeError(error);
    if (leave !== undefined) settlePermit('granted' in leave ? leave : leave.permit(), verdict);
    return verdict;
  };
  return {
    ok(value) {
      leave?.success();
      return ok(value);
    },
    failed: (error) => ({ kind: 'failed', error, verdict: judged(error) }),
    value(value) {
      leave?.success();
      return value;
    },
    thrown(error) {
      judged(error);
      throw error;
    },
  };
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
