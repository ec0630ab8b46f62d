/**
 * What the end of a call means: for the target's breaker and its retries, and for the caller. Whatever an API answers below 500 is its
 * own word and passes; everything else becomes an error of the hub's, without a word of the target's in it.
 */
import { HubError, LimitError, messageOf, UnavailableError, UpstreamError } from '#core/errors';
import type { ErrorCode } from '#core/errors';
import type { FailureKind } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import { BrokenCircuitError, CallTimeoutError, OverloadError, verdictOfStatus } from '#resilience/index';
import type { Verdict } from '#resilience/index';
import type { Head } from './headers.ts';

interface Answer {
  readonly head: Head;
  readonly bytes: Buffer;
}

/** An answer that asks for another attempt: 408, 429 and 5xx. The first two pass on, if no attempt brings better. */
export class RefusedError extends Error {
  readonly status: number;
  readonly retryAfterMs: number;
  readonly answer: Answer | undefined;

  constructor(status: number, retryAfterMs: number, answer: Answer | undefined) {
    super(`The target answered with status ${status}.`);
    this.name = 'RefusedError';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.answer = answer;
  }
}

/** The whole call took longer than it may; not held against the target, whose attempts have a limit of their own. */
export class DeadlineError extends Error {
  constructor(limitMs: number) {
    super(`The call took longer than ${limitMs} ms.`);
    this.name = 'DeadlineError';
  }
}

export function verdictOf(thrown: unknown): Verdict {
  if (thrown instanceof RefusedError) return verdictOfStatus(thrown.status, thrown.retryAfterMs);
  // The target is well, and would answer the same again.
  const own = thrown instanceof UpstreamFailure && (thrown.kind === 'oversize' || thrown.kind === 'malformed');
  return verdictOfStatus(own ? 200 : 500);
}

/** How long to wait for a place that nobody can foretell. */
const FULL_RETRY_MS = 1_000;

/** For the caller. What is no failure of the target's (an abort, a bug) stays what it is. */
export function errorFor(thrown: unknown, name: string): unknown {
  if (thrown instanceof HubError) return thrown;
  const api = `The external API "${name}"`;
  const options = { internal: `external API "${name}": ${messageOf(thrown)}`, cause: thrown };
  if (thrown instanceof BrokenCircuitError) {
    const { reason, retryAfterMs } = thrown;
    if (reason === 'throttled')
      return new LimitError('upstream_rate_limited', `${api} limits the hub's rate. Try again later.`, {
        retryAfterMs,
      });
    const detail = `${api} is out of service just now (its circuit is open). Try again later.`;
    return new UnavailableError('upstream_unavailable', detail, { retryAfterMs });
  }
  if (thrown instanceof OverloadError) {
    const detail = `${api} has as many calls as it may have. Try again shortly.`;
    return new UnavailableError('overloaded', detail, { retryAfterMs: FULL_RETRY_MS });
  }
  if (thrown instanceof CallTimeoutError || thrown instanceof DeadlineError)
    return new UpstreamError('upstream_timeout', `${api} was too slow.`, options);
  if (thrown instanceof RefusedError) {
    const wait = thrown.retryAfterMs > 0 ? { retryAfterMs: thrown.retryAfterMs } : {};
    return new UpstreamError('upstream_failed', `${api} answered with status ${thrown.status}.`, {
      ...options,
      ...wait,
    });
  }
  const known = thrown instanceof UpstreamFailure ? KINDS[thrown.kind] : undefined;
  return known === undefined ? thrown : new UpstreamError(known[0], `${api} ${known[1]}.`, options);
}

/** Those that an exchange of bytes can end with. */
const KINDS: { readonly [Kind in FailureKind]?: readonly [ErrorCode, string] } = {
  unreachable: ['upstream_unreachable', 'cannot be reached'],
  reset: ['upstream_unreachable', 'ended the connection before it answered'],
  cut: ['upstream_cut', 'ended its answer before it was whole'],
  oversize: ['upstream_malformed', 'gave an answer larger than the hub accepts'],
  malformed: ['upstream_malformed', 'gave an answer in a form that it was not asked for'],
};
