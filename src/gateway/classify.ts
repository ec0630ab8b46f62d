/**
 * What a failed attempt means: for the plan (the same again, another one, nobody), for the breaker (the upstream's fault or not) and
 * for the caller (which error, with whose reason). One table, no state. Repeating a chat is safe in every case, since it changes
 * nothing at the provider; what decides is whether it can help.
 */
import { CallerError, LimitError, UnavailableError, UpstreamError } from '#core/errors';
import type { ErrorCode, HubError } from '#core/errors';
import type { UpstreamFailure } from '#contract/provider';
import type { AttemptOutcome, Verdict } from '#contract/runs';

/** Why the hub itself ended an attempt: the abort reason of its timers, told from others by this class. */
export class AttemptTimeout extends Error {
  readonly outcome: Extract<AttemptOutcome, `timeout_${string}`>;
  /** The caller wished for less time than the route gives: the upstream may be well. */
  readonly wished: boolean;

  constructor(outcome: AttemptTimeout['outcome'], wished = false) {
    super(`the upstream was silent for too long (${outcome}${wished ? ', as the caller wished' : ''})`);
    this.name = 'AttemptTimeout';
    this.outcome = outcome;
    this.wished = wished;
  }
}

/** A breaker heeds no longer wait. */
const RETRY_AFTER_MAX_MS = 3_600_000;

/** How long to wait for a place that nobody can foretell. */
export const FULL_RETRY_MS = 1_000;

export interface Classified {
  readonly outcome: AttemptOutcome;
  readonly verdict: Verdict;
  /** `ignore`: nothing was learned of the upstream, because nothing was sent or because the caller would not wait. */
  readonly breaker: 'success' | 'failure' | 'throttled' | 'ignore';
  readonly status: number | null;
  readonly retryAfterMs: number | undefined;
  readonly error: HubError;
}

/** `provider` is the provider's name in the configuration, for the texts. */
export function classify(thrown: UpstreamFailure | AttemptTimeout, provider: string): Classified {
  if (thrown instanceof AttemptTimeout) return timedOut(thrown, provider);
  const status = thrown.kind === 'reported' ? reportedStatus(thrown) : thrown.status;
  if (thrown.kind === 'status' || thrown.kind === 'reported') return byStatus(thrown, status, provider);
  if (thrown.kind === 'untranslatable') return untranslatable(thrown, provider);
  if (thrown.kind === 'crowded') return crowded(thrown, provider);
  const [code, what] = PROTOCOL[thrown.kind];
  // A broken answer is likely to be broken again; a connection that failed is likely to be a passing thing.
  const passing = thrown.kind === 'unreachable' || thrown.kind === 'reset' || thrown.kind === 'cut';
  return {
    outcome: thrown.kind,
    verdict: passing ? 'retry_same' : 'try_other',
    breaker: 'failure',
    status: status ?? null,
    retryAfterMs: undefined,
    error: new UpstreamError(code, `The provider "${provider}" ${what}.`, { internal: thrown.message, cause: thrown }),
  };
}

const PROTOCOL: Record<
  Exclude<UpstreamFailure['kind'], 'status' | 'reported' | 'untranslatable' | 'crowded'>,
  readonly [ErrorCode, string]
> = {
  unreachable: ['upstream_unreachable', 'cannot be reached'],
  reset: ['upstream_unreachable', 'ended the connection before it answered'],
  malformed: ['upstream_malformed', 'gave an answer that does not follow its protocol'],
  cut: ['upstream_cut', 'ended its answer before it was whole; what has arrived of it is incomplete'],
  oversize: ['upstream_malformed', 'gave an answer larger than the hub accepts'],
};

/** The provider kind named what it cannot be told, and asked nobody. */
function untranslatable(failure: UpstreamFailure, provider: string): Classified {
  const { body } = failure;
  const detail = `The provider "${provider}" cannot be told ${body?.message ?? 'what this request holds.'}`;
  const param = body?.param === undefined ? {} : { param: body.param };
  return {
    outcome: 'untranslatable',
    verdict: 'try_other',
    breaker: 'ignore',
    status: null,
    retryAfterMs: undefined,
    error: new CallerError('unsupported_field', detail, { internal: failure.message, cause: failure, ...param }),
  };
}

/** The hub's own bound, and no silence of the upstream's: a circuit that opened by it would take away what still answers. */
function crowded(failure: UpstreamFailure, provider: string): Classified {
  const detail = `Every connection that the hub may have to the provider "${provider}" is taken. Try again shortly.`;
  const options = { retryAfterMs: FULL_RETRY_MS, internal: failure.message, cause: failure };
  return {
    outcome: 'bulkhead_full',
    verdict: 'try_other',
    breaker: 'ignore',
    status: null,
    retryAfterMs: undefined,
    error: new UnavailableError('overloaded', detail, options),
  };
}

function timedOut(timeout: AttemptTimeout, provider: string): Classified {
  const detail = `The provider "${provider}" was silent for too long (${timeout.outcome.replace('timeout_', '').replace('_', ' ')}).`;
  return {
    outcome: timeout.outcome,
    // A silent deployment is not tried twice; and once the total is spent, nobody is.
    verdict: timeout.outcome === 'timeout_total' ? 'give_up' : 'try_other',
    breaker: timeout.wished ? 'ignore' : 'failure',
    status: null,
    retryAfterMs: undefined,
    error: new UpstreamError('upstream_timeout', detail, { cause: timeout }),
  };
}

function byStatus(failure: UpstreamFailure, status: number | undefined, provider: string): Classified {
  const outcome = failure.kind === 'reported' ? 'reported' : 'status';
  const base = { outcome, status: status ?? failure.status ?? null, retryAfterMs: failure.retryAfterMs } as const;
  const options = { internal: reasonOf(failure), cause: failure };
  const waiting = { ...options, ...waitFor(failure) };
  const said = failure.kind === 'status' ? `answered with status ${status}` : 'reported an error instead of an answer';
  if (status === 429) {
    const detail = `The provider "${provider}" limits the hub's rate. Try again later.`;
    return {
      ...base,
      verdict: 'try_other',
      breaker: 'throttled',
      error: new LimitError('upstream_rate_limited', detail, waiting),
    };
  }
  if (status === 408) {
    const error = new UpstreamError('upstream_timeout', `The provider "${provider}" ${said}.`, waiting);
    return { ...base, verdict: 'try_other', breaker: 'throttled', error };
  }
  if (status === 401 || status === 402 || status === 403 || SPENT.test(failure.body?.message ?? '')) {
    const detail = `The provider "${provider}" does not accept the hub's credentials or account. The operator must look at them.`;
    return {
      ...base,
      verdict: 'try_other',
      breaker: 'success',
      error: new UpstreamError('upstream_credentials', detail, options),
    };
  }
  if (status === 404 && failure.body !== undefined) {
    const detail = `The provider "${provider}" does not have this model: ${failure.body.message}`;
    return {
      ...base,
      verdict: 'try_other',
      breaker: 'success',
      error: new CallerError('model_not_found', detail, { ...options, param: 'model' }),
    };
  }
  if (status !== undefined && status >= 400 && status < 500 && status !== 404 && status !== 405)
    return { ...base, verdict: 'give_up', breaker: 'success', error: rejection(failure, provider) };
  // 5xx; a redirect or a 404 without a reason, which mean a wrong address; an error that says nothing of whose fault it is.
  const wrongAddress = status !== undefined && status < 500;
  return {
    ...base,
    verdict: wrongAddress ? 'try_other' : 'retry_same',
    breaker: status === 404 || status === 405 ? 'success' : 'failure',
    error: new UpstreamError('upstream_failed', `The provider "${provider}" ${said}.`, waiting),
  };
}

/** How long the caller is told to wait; no longer than the breaker, which lets a call through then. */
function waitFor({ retryAfterMs }: UpstreamFailure): { retryAfterMs?: number } {
  return retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) };
}

/** The provider found fault with the request: the caller gets the provider's own reason. */
function rejection(failure: UpstreamFailure, provider: string): HubError {
  const { body } = failure;
  const detail = `The provider "${provider}" rejected the request: ${body?.message ?? `status ${failure.status}, without a reason`}`;
  const param = body?.param === undefined ? {} : { param: body.param };
  return new UpstreamError(rejectionCode(failure), detail, { upstreamBody: body, cause: failure, ...param });
}

/** Anthropic says with a 400 that nobody has paid: the operator's to mend, and no other provider's reason. */
const SPENT = /credit balance is too low/i;
const CONTEXT_LENGTH =
  /context[_ ](length|window|limit)|maximum context|prompt is too long|too many tokens|reduce the length/i;
const CONTENT_FILTER = /content[_ ]?(filter|policy)|moderation|safety/i;

function rejectionCode({ body }: UpstreamFailure): ErrorCode {
  const labels = `${body?.code ?? ''} ${body?.type ?? ''}`;
  if (CONTEXT_LENGTH.test(labels) || CONTEXT_LENGTH.test(body?.message ?? '')) return 'context_length_exceeded';
  return CONTENT_FILTER.test(labels) ? 'content_filtered' : 'upstream_rejected';
}

/** The status that an error inside a 200 would have had. OpenRouter and Google write it as the code, OpenAI names the type. */
function reportedStatus({ body }: UpstreamFailure): number | undefined {
  const code = Number(body?.code);
  if (Number.isInteger(code) && code >= 400 && code < 600) return code;
  const labels = `${body?.code ?? ''} ${body?.type ?? ''}`;
  if (/rate_limit|insufficient_quota|resource_exhausted/i.test(labels)) return 429;
  if (/authentication|permission|invalid_api_key|billing/i.test(labels)) return 401;
  if (/not_found_error/i.test(labels)) return 404;
  if (/request_too_large/i.test(labels)) return 413;
  return CONTEXT_LENGTH.test(labels) || /invalid_request|content_(filter|policy)/i.test(labels) ? 400 : undefined;
}

/** For the log: the provider's code and type where they look like one. Its message is the caller's to read: it may quote the prompt. */
export function reasonOf({ message, body }: UpstreamFailure): string {
  const labels = [body?.code, body?.type].filter((label) => label !== undefined && LABEL.test(label));
  return [message, ...labels].join(' ');
}

const LABEL = /^[\w.-]{1,64}$/;
