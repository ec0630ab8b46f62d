/**
 * One error in the form of the surface it happens on: RFC 9457 problem+json for `/api` and `/health`, Anthropic's error body for
 * `/v1/messages`, OpenAI's for the rest of `/v1`. Shows only what an error marks as safe; a stack trace or an `internal` text never gets here.
 */
import type { HubError } from '#core/errors';
import { UpstreamError } from '#core/errors';
import type { Surface } from '#contract/gateway';
import { LimitExceededError } from '#contract/limits';
import { standingView } from '../wire/limit.ts';
import type { Issue } from '../validation.ts';
import { InvalidInput } from '../validation.ts';
import { presentations } from './presentation.ts';

export interface RenderedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly runId?: string;
  readonly param?: string;
  readonly errors?: readonly Issue[];
  readonly upstream?: unknown;
  /** Which limit the call is over. */
  readonly limit?: ReturnType<typeof standingView>;
}

interface Where {
  readonly requestId: string;
  readonly runId: string | null;
}

export function renderError(error: HubError, surface: Surface, where: Where): RenderedError {
  return {
    status: presentations[error.code].status,
    headers: {
      'content-type': surface === 'hub' ? 'application/problem+json' : 'application/json',
      ...retryHeaders(error),
      ...(error.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="revoagent"' } : {}),
    },
    body: JSON.stringify(bodies[surface](error, where)),
  };
}

/** The body of the final event of a stream whose status is already sent. */
export function renderErrorEvent(error: HubError, surface: Surface, where: Where): string {
  return JSON.stringify(
    surface === 'hub' ? { type: 'error', error: problem(error, where) } : bodies[surface](error, where),
  );
}

const bodies: Readonly<Record<Surface, (error: HubError, where: Where) => object>> = {
  hub: problem,
  openai: openaiBody,
  anthropic: anthropicBody,
};

export function problem(error: HubError, where: Where): Problem {
  const { status, title } = presentations[error.code];
  return {
    type: `urn:revoagent:error:${error.code}`,
    title,
    status,
    detail: error.detail,
    code: error.code,
    requestId: where.requestId,
    ...(where.runId === null ? {} : { runId: where.runId }),
    ...(error.param === undefined ? {} : { param: error.param }),
    ...(error instanceof InvalidInput ? { errors: error.issues } : {}),
    ...(error instanceof LimitExceededError ? { limit: standingView(error.limit) } : {}),
    ...(error instanceof UpstreamError && error.upstreamBody !== undefined ? { upstream: error.upstreamBody } : {}),
  };
}

/** `error` as the official SDKs read it; the provider's own words win, because callers switch on them. */
export function openaiBody(error: HubError): { error: Record<string, unknown> } {
  const { openaiType, openaiCode } = presentations[error.code];
  const own = { message: error.detail, type: openaiType, param: error.param ?? null, code: openaiCode };
  if (!(error instanceof UpstreamError)) return { error: own };
  const theirs = error.upstreamBody;
  if (typeof theirs !== 'object' || theirs === null) return { error: own };
  const given = Object.entries(theirs).filter(([name, value]) => name in own && typeof value === 'string');
  return { error: { ...own, ...Object.fromEntries(given) } };
}

/** As the official SDK reads it: it makes its classes of the status, and shows the type. */
function anthropicBody(error: HubError, { requestId }: Where): object {
  const theirs = error instanceof UpstreamError ? error.upstreamBody : undefined;
  const said = typeof theirs === 'object' && theirs !== null && 'message' in theirs ? theirs.message : undefined;
  const message = typeof said === 'string' ? said : error.detail;
  return {
    type: 'error',
    error: { type: anthropicType(presentations[error.code].status), message },
    request_id: requestId,
  };
}

function anthropicType(status: number): string {
  const named: Readonly<Record<number, string>> = {
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    503: 'overloaded_error',
    504: 'timeout_error',
  };
  return named[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

/** Whether the same request may succeed when it is sent again: not where the call alone is larger than its limit. */
export function isRetryable(error: HubError): boolean {
  const isTooLarge = error instanceof LimitExceededError && error.retryAfterMs === undefined;
  return presentations[error.code].retry && !isTooLarge;
}

const IN_VAIN = { 'x-should-retry': 'false' };
/** The official SDKs wait no longer than this: told of a longer wait they come back within seconds. */
const WAITED_MS_MAX = 60_000;

/**
 * Seconds rounded up, so that nobody comes back too early; milliseconds too, which the official SDKs prefer. Those send again by the
 * status alone (409, 429, 5xx), also what nobody will ever serve, unless they are told.
 */
function retryHeaders(error: HubError): Record<string, string> {
  if (!isRetryable(error)) return IN_VAIN;
  if (error.retryAfterMs === undefined) return {};
  const waitMs = Math.max(0, Math.ceil(error.retryAfterMs));
  const wait = { 'retry-after': String(Math.ceil(waitMs / 1000)), 'retry-after-ms': String(waitMs) };
  return waitMs > WAITED_MS_MAX ? { ...wait, ...IN_VAIN } : wait;
}
