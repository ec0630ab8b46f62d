/**
 * A call to an external API from its request to its response: hands the target on as it was written and the answer as it comes. What
 * may go out and come back is decided behind the port. An answer that cannot be ended as announced ends the connection.
 */
import type { Clock } from '#core/clock';
import { CallerError } from '#core/errors';
import type { ExternalAnswer } from '#contract/external';
import { externalPath } from '#contract/external';
import type { Answer } from './answer.ts';
import { readBody } from './body.ts';
import { cacheHeaders } from './cache-headers.ts';
import { translateError } from './errors/translate.ts';
import { limitsToldIn } from './limit-headers.ts';
import { callerOf } from './operation.ts';
import type { Services } from './operation.ts';
import { cacheWishes } from './preferences.ts';
import type { RequestContext } from './request-context.ts';
import { drained, untilTaken, waitedFor } from './waiting.ts';

/** Whatever an API answers, a browser shows it as a document of nobody. */
const SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'";

export async function answerExternal(name: string, context: RequestContext, services: Services): Promise<Answer> {
  const { external, clock, logger } = services;
  const { incoming, outgoing, signal } = context;
  const method = incoming.method ?? '';
  const target = rawTarget(incoming.url ?? '', name);
  const known = external.list().find((api) => api.name === name);
  if (known?.methods.includes(method) === false) context.headers['allow'] = known.methods.join(', ');
  const answer = await waitedFor(
    context,
    clock,
    external.call({
      name,
      method,
      target,
      headers: incoming.headers,
      body: (bytesMax) => readBody(incoming, bytesMax, signal),
      cache: cacheWishes(incoming.headers),
      signal,
      traceparent: context.trace.traceparent,
      caller: callerOf(context),
      onLimits: limitsToldIn(context),
    }),
  );
  const own = {
    'x-revoagent-external': name,
    'x-revoagent-attempts': String(answer.attempts),
    'x-revoagent-breaker': answer.breaker,
    ...(answer.cache !== undefined && cacheHeaders(answer.cache)),
    ...(answer.cache?.status === 'stale' && { 'x-revoagent-degraded': 'true' }),
  };
  const whole = wholeOf(answer, own, context);
  if (whole !== undefined) {
    await answer.body.return?.();
    return whole;
  }
  try {
    outgoing.writeHead(answer.status, {
      ...context.headers,
      'content-security-policy': SANDBOX,
      ...answer.headers,
      ...own,
    });
    // As `flushHeaders()` does it, but that writes the head as UTF-8, and a header's characters are bytes.
    outgoing.write('', 'latin1');
    outgoing.socket?.uncork();
    await relay(answer, context, clock);
  } catch (thrown) {
    if (!context.gone) {
      context.error = translateError(thrown);
      const { code, internal } = context.error;
      const fields = { requestId: context.requestId, code, reason: internal ?? null };
      if (code === 'internal') logger.error('external-answer-cut', fields, thrown);
      else logger.warn('external-answer-cut', fields);
      outgoing.destroy();
    }
  } finally {
    await answer.body.return?.();
  }
  return { kind: 'sent' };
}

/** As an answer that may be compressed. */
function wholeOf(
  { status, headers, whole }: ExternalAnswer,
  own: Record<string, string>,
  context: RequestContext,
): Answer | undefined {
  const { vary, 'content-type': contentType } = headers;
  if (whole === undefined || typeof contentType !== 'string') return undefined;
  if (vary !== undefined) context.headers['vary'] = [context.headers['vary'] ?? [], vary].flat().join(', ');
  const passed: Record<string, string> = { 'content-security-policy': SANDBOX };
  for (const [name, value] of Object.entries(headers))
    if (name !== 'vary') passed[name] = typeof value === 'string' ? value : value.join(', ');
  return {
    kind: 'bytes',
    status,
    contentType,
    bytes: whole.bytes,
    keptAs: whole.digest,
    headers: { ...passed, ...own },
  };
}

/** The target is handed on as the caller wrote it; the router has decoded it. */
function rawTarget(url: string, name: string): string {
  const place = externalPath(name);
  if (!url.startsWith(`${place}/`))
    throw new CallerError('bad_request', `The request target must begin with ${place}/, written just so.`);
  return url.slice(place.length);
}

async function relay({ body }: ExternalAnswer, context: RequestContext, clock: Clock): Promise<void> {
  const { outgoing } = context;
  for (;;) {
    const next = await waitedFor(context, clock, body.next());
    if (next.done === true) break;
    if (!outgoing.write(next.value)) await drained(context, clock);
  }
  outgoing.end();
  untilTaken(outgoing, clock);
}
