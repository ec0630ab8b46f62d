/**
 * One error in the form of the surface it happens on: RFC 9457 problem+json for `/api` and `/health`, the OpenAI error body
 * for `/v1`. Shows only what an error marks as safe; a stack trace or an `internal` text never gets here.
 */
import type { HubError } from '#core/errors';
import { UpstreamError } from '#core/errors';
import type { Surface } from '#contract/gateway';
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
}

interface Where {
  readonly requestId: string;
  readonly runId: string | null;
}

export function renderError(error: HubError, surface: Surface, where: Where): RenderedError {
  return {
    status: presentations[error.code].status,
    headers: {
      'content-type': surface === 'openai' ? 'application/json' : 'application/problem+json',
      ...retryHeaders(error.retryAfterMs),
      ...(error.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="revoagent"' } : {}),
    },
    body: JSON.stringify(surface === 'openai' ? openaiBody(error) : problem(error, where)),
  };
}

/** The body of the final event of a stream whose status is already sent. */
export function renderErrorEvent(error: HubError, surface: Surface, where: Where): string {
  return surface === 'openai'
    ? JSON.stringify(openaiBody(error))
    : JSON.stringify({ type: 'error', error: problem(error, where) });
}

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
    ...(error instanceof UpstreamError && error.upstreamBody !== undefined ? { upstream: error.upstreamBody } : {}),
  };
}

/** `error` as the official SDKs read it; the provider's own words win, because callers switch on them. */
function openaiBody(error: HubError): { error: Record<string, unknown> } {
  const { openaiType, openaiCode } = presentations[error.code];
  const own = { message: error.detail, type: openaiType, param: error.param ?? null, code: openaiCode };
  if (!(error instanceof UpstreamError)) return { error: own };
  const theirs = error.upstreamBody;
  if (typeof theirs !== 'object' || theirs === null) return { error: own };
  const given = Object.entries(theirs).filter(([name, value]) => name in own && typeof value === 'string');
  return { error: { ...own, ...Object.fromEntries(given) } };
}

/** Seconds rounded up, so that nobody comes back too early; milliseconds too, which the official SDKs prefer. */
function retryHeaders(retryAfterMs: number | undefined): Record<string, string> {
  if (retryAfterMs === undefined) return {};
  const waitMs = Math.max(0, Math.ceil(retryAfterMs));
  return { 'retry-after': String(Math.ceil(waitMs / 1000)), 'retry-after-ms': String(waitMs) };
}
