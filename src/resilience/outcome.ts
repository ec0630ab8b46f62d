/**
 * How a call can end: a closed union, so that a caller who looks at `kind` has thought of everything, and that a refusal costs no
 * stack trace. The errors are for those who would rather throw.
 */
import type { Rejection } from './breaker/permit.ts';
import type { Verdict } from './verdict.ts';

export type TimeoutScope = 'attempt' | 'deadline' | 'idle';

export type Outcome<T> =
  | {
      readonly kind: 'ok';
      readonly value: T;
      /** The value is the fallback's. */
      readonly degraded: boolean;
    }
  /** The breaker refused; the upstream was not asked. */
  | {
      readonly kind: 'open';
      readonly key: string;
      readonly reason: Rejection['reason'];
      readonly retryAfterMs: number;
    }
  /** The adaptive limit refused: more at once would only make everyone wait. */
  | { readonly kind: 'shed'; readonly limit: number }
  /** As many calls as allowed were running, and as many waiting. */
  | { readonly kind: 'bulkhead'; readonly concurrent: number }
  /** Our own limit on time: of one attempt, of the whole call, of a stream's next part. */
  | { readonly kind: 'timeout'; readonly scope: TimeoutScope; readonly limitMs: number }
  /** The caller aborted; `reason` is the caller's own. */
  | { readonly kind: 'cancelled'; readonly reason: unknown }
  | { readonly kind: 'failed'; readonly error: unknown; readonly verdict: Verdict };

/** An outcome that is not `ok`. */
export type Refusal = Exclude<Outcome<never>, { kind: 'ok' }>;

/** A refusal is an everyday answer, thrown by the thousand when an upstream is down: it carries no stack, which costs 2 µs. */
class RefusalError extends Error {
  constructor(message: string) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
  }
}

export class BrokenCircuitError extends RefusalError {
  override readonly name = 'BrokenCircuitError';
  readonly key: string;
  readonly reason: Rejection['reason'];
  readonly retryAfterMs: number;

  constructor({ key, reason, retryAfterMs }: { key: string; reason: Rejection['reason']; retryAfterMs: number }) {
    super(`The circuit of ${key} lets no call through (${reason}); try again in ${Math.ceil(retryAfterMs)} ms.`);
    this.key = key;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

export class OverloadError extends RefusalError {
  override readonly name = 'OverloadError';
  readonly limit: number;

  constructor(what: 'bulkhead' | 'adaptive limit', limit: number) {
    super(`The ${what} of ${limit} concurrent calls is reached.`);
    this.limit = limit;
  }
}

export class CallTimeoutError extends Error {
  override readonly name = 'CallTimeoutError';
  readonly scope: TimeoutScope;
  readonly limitMs: number;

  constructor(scope: TimeoutScope, limitMs: number) {
    const what = { attempt: 'An attempt', deadline: 'The call', idle: 'The next part of the stream' }[scope];
    super(`${what} took longer than ${limitMs} ms.`);
    this.scope = scope;
    this.limitMs = limitMs;
  }
}

/** The call ended with a value that the pipeline was told to take for a failure; `value` is that value. */
export class BadValueError extends Error {
  override readonly name = 'BadValueError';
  readonly value: unknown;

  constructor(value: unknown) {
    super('The call ended with a value that counts as a failure.');
    this.value = value;
  }
}

export function ok<T>(value: T): Outcome<T> {
  return { kind: 'ok', value, degraded: false };
}

/** What `execute` throws: the operation's own error and the caller's own abort reason stay what they were. */
export function errorOf(refusal: Refusal): unknown {
  switch (refusal.kind) {
    case 'open':
      return new BrokenCircuitError(refusal);
    case 'shed':
      return new OverloadError('adaptive limit', refusal.limit);
    case 'bulkhead':
      return new OverloadError('bulkhead', refusal.concurrent);
    case 'timeout':
      return new CallTimeoutError(refusal.scope, refusal.limitMs);
    case 'cancelled':
      return refusal.reason;
    case 'failed':
      return refusal.error;
  }
}
