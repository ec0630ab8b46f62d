/**
 * Every failure the hub tells somebody about. An error knows who must act (its class) and what happened (its code); it
 * knows no HTTP. `detail` is safe to show to the caller; `internal` is for the log only and never leaves the process.
 */

/** What happened. A code without a presentation in `http/errors` does not compile. */
export const ERROR_CODES = [
  // the caller must change something
  'bad_request',
  'invalid_body',
  'body_too_large',
  'headers_too_large',
  'request_timeout',
  'unsupported_media_type',
  'unsupported_field',
  'unauthenticated',
  'forbidden',
  'forbidden_origin',
  'not_found',
  'content_off',
  'model_not_found',
  'method_not_allowed',
  'conflict',
  'version_changed',
  'idempotency_key_in_use',
  'idempotency_key_reused',
  'idempotency_answer_not_kept',
  'not_cached',
  'context_length_exceeded',
  'content_filtered',
  'guardrail_refused',
  'upstream_rejected',
  'cancelled',
  // the caller must wait
  'rate_limited',
  'too_many_requests_in_flight',
  'instance_overloaded',
  'upstream_rate_limited',
  // an upstream failed
  'upstream_failed',
  'upstream_timeout',
  'upstream_unreachable',
  'upstream_malformed',
  'upstream_cut',
  'upstream_credentials',
  // the hub cannot serve just now
  'no_deployment_available',
  'upstream_unavailable',
  'overloaded',
  'draining',
  'database_unavailable',
  'memory_unavailable',
  'guardrail_failed',
  // the hub is wrong
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface HubErrorOptions {
  /** For the log only. */
  internal?: string;
  /** How long the caller should wait before it tries again, in milliseconds. */
  retryAfterMs?: number;
  /** Which input was wrong, as a path (`messages[2].role`). */
  param?: string;
  cause?: unknown;
}

export abstract class HubError extends Error {
  readonly code: ErrorCode;
  /** Safe to show: says what was wrong, where, and what to do. */
  readonly detail: string;
  readonly internal: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly param: string | undefined;

  constructor(code: ErrorCode, detail: string, options: HubErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.detail = detail;
    this.internal = options.internal;
    this.retryAfterMs = options.retryAfterMs;
    this.param = options.param;
  }
}

/** The caller must change the request. */
export class CallerError extends HubError {}
/** The caller must wait: a limit of the hub's or of the upstream's. */
export class LimitError extends HubError {}
/** An upstream failed and nothing could stand in for it. */
export class UpstreamError extends HubError {
  /** The provider's own error object, passed on where the caller needs its reason. Never holds credentials. */
  readonly upstreamBody: unknown;

  constructor(code: ErrorCode, detail: string, options: HubErrorOptions & { upstreamBody?: unknown } = {}) {
    super(code, detail, options);
    this.upstreamBody = options.upstreamBody;
  }
}
/** The hub cannot serve this now: draining, overloaded, a dependency gone. */
export class UnavailableError extends HubError {}
/** The hub broke a promise of its own: a bug. */
export class InvariantError extends HubError {
  constructor(internal: string, options: { cause?: unknown } = {}) {
    super('internal', 'The hub failed while it served this request. The log holds the reason under this request id.', {
      internal,
      ...options,
    });
  }
}

/** The message of anything thrown, for a log. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
