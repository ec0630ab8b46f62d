/**
 * What a call's end says about the upstream. A breaker that counted every error would open because callers send nonsense; one that
 * counted none of the 4xx would hammer an upstream that asks for quiet. Decided by what happened, never by an error's name.
 */

export interface Verdict {
  /** `neutral`: it says nothing about the upstream, and changes nothing. */
  readonly kind: 'success' | 'failure' | 'throttled' | 'neutral';
  /** The upstream's own word on when to come back; 0 where it gave none. */
  readonly retryAfterMs: number;
  /** It is certain that the upstream never saw the request, so that repeating it is safe whatever it does. */
  readonly unsent: boolean;
}

function verdict(kind: Verdict['kind'], retryAfterMs = 0, unsent = false): Verdict {
  return Object.freeze({ kind, retryAfterMs, unsent });
}

export const SUCCESS: Verdict = verdict('success');
export const FAILURE: Verdict = verdict('failure');
export const NEUTRAL: Verdict = verdict('neutral');
const UNSENT: Verdict = verdict('failure', 0, true);

/** Errors of a connection that was never made (Node.js and undici). */
const UNSENT_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const CAUSES_MAX = 5;

/** RFC 9110: 5xx is the upstream's failure, 408 and 429 ask for quiet, any other answer proves that the upstream is well. */
export function verdictOfStatus(status: number, retryAfterMs = 0): Verdict {
  if (status === 408 || status === 429) return verdict('throttled', retryAfterMs);
  if (status >= 500) return retryAfterMs > 0 ? verdict('failure', retryAfterMs) : FAILURE;
  return SUCCESS;
}

/** An error that carries an HTTP `status` (or `statusCode`) is judged by it, any other is a failure. */
export function verdictOfError(error: unknown): Verdict {
  let cause = error;
  for (let depth = 0; depth < CAUSES_MAX && typeof cause === 'object' && cause !== null; depth++) {
    const status = statusOf(cause);
    if (status !== undefined) return verdictOfStatus(status, retryAfterOf(cause));
    if ('code' in cause && UNSENT_CODES.has(cause.code)) return UNSENT;
    cause = 'cause' in cause ? cause.cause : undefined;
  }
  return FAILURE;
}

function statusOf(error: object): number | undefined {
  const status = 'status' in error ? error.status : 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 100 && status <= 599 ? status : undefined;
}

function retryAfterOf(error: object): number {
  return 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' && error.retryAfterMs > 0
    ? error.retryAfterMs
    : 0;
}
