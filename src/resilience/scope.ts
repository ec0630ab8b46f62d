/**
 * The life of one call: who may end it, and what its operation is told. One AbortController, made only when the operation asks for
 * its signal; one listener on the caller's signal, removed at the end; never an abort after success. What ended a scope is known by
 * who ended it, never by the name of an error.
 */
import type { Clock } from '#core/clock';
import { CallTimeoutError, ok } from './outcome.ts';
import type { Outcome, Refusal } from './outcome.ts';
import type { Verdict } from './verdict.ts';

/** What an operation may look at. */
export interface CallContext {
  /** Aborts when the answer is no longer wanted: pass it on. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  /** What is left of the deadline in milliseconds; Infinity without one. Hand it to the upstream. */
  readonly remainingMs: number;
}

export type Operation<T> = (context: CallContext) => T | PromiseLike<T>;

export type Cause =
  | { readonly kind: 'caller'; readonly reason: unknown }
  | { readonly kind: 'attempt' | 'deadline' | 'idle'; readonly limitMs: number }
  /** Another attempt of the same call won, or its consumer left. */
  | { readonly kind: 'superseded' };

export class Scope implements CallContext {
  readonly clock: Clock;
  attempt = 1;
  deadlineAt = Number.POSITIVE_INFINITY;
  /** Whether anything can end it early. Where nothing can, an operation is awaited as it is. */
  cancellable: boolean;
  #cause: Cause | undefined;
  #controller: AbortController | undefined;
  #wake: ((refusal: Refusal) => void) | undefined;
  #children: Set<Scope> | undefined;

  constructor(clock: Clock, cancellable: boolean) {
    this.clock = clock;
    this.cancellable = cancellable;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cause !== undefined) this.#controller.abort(reasonOf(this.#cause));
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.deadlineAt === Number.POSITIVE_INFINITY ? this.deadlineAt : this.deadlineAt - this.clock.now();
  }

  /** What ended it, as an outcome; undefined while it goes on. */
  get ended(): Refusal | undefined {
    return this.#cause === undefined ? undefined : refusalOf(this.#cause);
  }

  /** The first cause counts. */
  cancel(cause: Cause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#controller?.abort(reasonOf(cause));
    if (this.#children !== undefined) for (const child of this.#children) child.cancel(cause);
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(refusalOf(cause));
  }

  /** Ready for the next attempt: the last one's own timeout is the past, and so is the signal that its operation holds. */
  renew(): void {
    this.attempt++;
    if (this.#cause?.kind !== 'attempt') return;
    this.#cause = undefined;
    this.#controller = undefined;
  }

  /** A scope that ends with this one, and that can end alone. */
  fork(): Scope {
    const child = new Scope(this.clock, true);
    child.attempt = this.attempt;
    child.deadlineAt = this.deadlineAt;
    this.#children ??= new Set();
    this.#children.add(child);
    if (this.#cause !== undefined) child.cancel(this.#cause);
    return child;
  }

  release(child: Scope): void {
    this.#children?.delete(child);
  }

  /** Calls the operation. Its end or, if that comes first, the scope's; never rejects, never throws. */
  run<T>(operation: Operation<T>, judge: (error: unknown) => Verdict): Promise<Outcome<T>> | Outcome<T> {
    try {
      const result = operation(this);
      return isPromiseLike(result) ? this.#race(result, judge) : ok(result);
    } catch (error) {
      return this.ended ?? { kind: 'failed', error, verdict: judge(error) };
    }
  }

  /** Waits until `start` calls back with true or false, or the scope ends, which calls `stop`. One wait at a time. */
  wait(start: (done: (result: boolean) => void) => void, stop: () => void): Promise<boolean | Refusal> {
    return new Promise((resolve) => {
      if (this.#cause !== undefined) {
        resolve(refusalOf(this.#cause));
        return;
      }
      this.#wake = (refusal) => {
        stop();
        resolve(refusal);
      };
      start((result) => {
        this.#wake = undefined;
        resolve(result);
      });
    });
  }

  #race<T>(result: PromiseLike<T>, judge: (error: unknown) => Verdict): Promise<Outcome<T>> {
    return new Promise((resolve) => {
      if (this.#cause === undefined) this.#wake = resolve;
      else resolve(refusalOf(this.#cause));
      // A result after the scope's end finds the promise resolved, and is dropped; only a wake that is this call's own is taken away.
      const done = (outcome: Outcome<T>): void => {
        if (this.#wake === resolve) this.#wake = undefined;
        resolve(outcome);
      };
      const failed = (error: unknown): void => done({ kind: 'failed', error, verdict: judge(error) });
      try {
        result.then((value) => done(ok(value)), failed);
      } catch (error) {
        // Not every object with a `then` keeps a promise's word.
        failed(error);
      }
    });
  }
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function refusalOf(cause: Cause): Refusal {
  switch (cause.kind) {
    case 'caller':
      return { kind: 'cancelled', reason: cause.reason };
    case 'attempt':
    case 'deadline':
    case 'idle':
      return { kind: 'timeout', scope: cause.kind, limitMs: cause.limitMs };
    case 'superseded':
      return { kind: 'cancelled', reason: new SupersededError() };
  }
}

function reasonOf(cause: Cause): unknown {
  if (cause.kind === 'caller') return cause.reason;
  return cause.kind === 'superseded' ? new SupersededError() : new CallTimeoutError(cause.kind, cause.limitMs);
}

/** The signal's reason for an operation whose answer nobody waits for any more. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';

  constructor() {
    super('Another attempt answered first, or nobody reads on.');
  }
}
