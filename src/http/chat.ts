/**
 * A call of a model from a checked request to its response, plain or streamed, the same for every surface; a `ChatForm` says how a
 * surface words a chat. Before the commit point an error is a status; after it, an event.
 */
import type { Clock } from '#core/clock';
import { CallerError, messageOf } from '#core/errors';
import type { HubError } from '#core/errors';
import { newId } from '#core/ids';
import type { ChatRequest } from '#contract/chat';
import type { ChatAnswer, ChatCall, ChatStream, RunCall, RunSummary, WholeAnswer } from '#contract/gateway';
import { translateError } from './errors/translate.ts';
import type { Answer } from './answer.ts';
import { headerValue } from './header-value.ts';
import { limitsToldIn } from './limit-headers.ts';
import { preferencesOf } from './preferences.ts';
import { cacheHeaders } from './cache-headers.ts';
import type { Services } from './operation.ts';
import { callerOf } from './operation.ts';
import type { RequestContext } from './request-context.ts';
import { SseResponse } from './sse.ts';
import type { StreamEvent } from './sse.ts';
import { waitedFor } from './waiting.ts';

export interface ChatForm {
  plain(answer: ChatAnswer): Uint8Array | string;
  /** A translator for one stream. */
  stream(summary: RunSummary): StreamForm;
  /** Where a stream of this form has last events of its own, and no `[DONE]`: those of one that failed, also before it began. */
  readonly failed?: (error: HubError) => readonly StreamEvent[];
  /** False where a stream of this form has no word for an answer that begins anew. */
  readonly restarts?: false;
}

export interface StreamForm {
  /** Before the first event. */
  readonly opening: readonly StreamEvent[];
  /** One chunk's JSON text as what is sent for it. */
  translate(event: string): Iterable<StreamEvent>;
  /** After the last event of a whole answer. */
  closing(): readonly StreamEvent[];
}

export function answerChat(
  request: ChatRequest,
  form: ChatForm,
  context: RequestContext,
  services: Services,
): Promise<Answer> {
  const call: ChatCall = {
    ...callFor(request, context, services),
    ...(form.restarts === false && { restarts: false }),
  };
  if (request.stream === true) return streamChat(call, form, context, services);
  return answerWhole(services.gateway.complete(call), (answer) => form.plain(answer), context, services);
}

/** Begins a run. */
export function callFor<Request extends RunCall['request']>(
  request: Request,
  context: RequestContext,
  { clock }: Services,
): RunCall & { readonly request: Request } {
  const runId = newId('run', clock.wallMs());
  context.runId = runId;
  return {
    surface: context.surface,
    caller: callerOf(context),
    runId,
    request,
    preferences: preferencesOf(context.incoming.headers),
    signal: context.signal,
    receivedAt: context.receivedAt,
    traceparent: context.trace.traceparent,
    onLimits: limitsToldIn(context),
  };
}

/** The response with the whole answer of a run. */
export async function answerWhole<T extends WholeAnswer<unknown>>(
  asked: Promise<T>,
  bytesOf: (answer: T) => Uint8Array | string,
  context: RequestContext,
  { clock }: Services,
): Promise<Answer> {
  const answer = await waitedFor(context, clock, asked);
  const bytes = bytesOf(answer);
  // The gateway knows better than the whole wait how much of it was the upstream's.
  context.waitedMs = Math.max(0, clock.now() - context.receivedAt - answer.summary.overheadMs);
  context.isFromCache = isHit(answer.summary);
  return {
    kind: 'bytes',
    status: 200,
    contentType: 'application/json',
    bytes,
    // What a surface words anew is no other's.
    keptAs: bytes === answer.raw ? answer.keptAs : undefined,
    headers: summaryHeaders(answer.summary),
  };
}

async function streamChat(
  call: ChatCall,
  form: ChatForm,
  context: RequestContext,
  services: Services,
): Promise<Answer> {
  const { clock, gateway, logger } = services;
  const send = async (sse: SseResponse): Promise<void> => {
    const stream = await waitedFor(context, clock, gateway.stream(call));
    try {
      context.waitedMs = Math.max(0, clock.now() - context.receivedAt - stream.summary.overheadMs);
      context.isFromCache = isHit(stream.summary);
      sse.commit(summaryHeaders(stream.summary));
      await relay(stream, form.stream(stream.summary), sse, context, clock);
    } finally {
      await stream.events.return?.().catch((thrown: unknown) => {
        logger.warn('stream-not-closed', { runId: call.runId, reason: messageOf(thrown) });
      });
    }
  };
  return sendStream(context, services, { 'x-revoagent-run': call.runId }, send, form.failed);
}

/** Server-sent events to their honest end: `[DONE]` where `send` comes to one, a status or an error event where it throws. */
export async function sendStream(
  context: RequestContext,
  { clock, logger }: Services,
  earlyHeaders: Record<string, string>,
  send: (sse: SseResponse) => Promise<void>,
  failed?: ChatForm['failed'],
): Promise<Answer> {
  const sse = new SseResponse(context, clock, earlyHeaders, failed);
  try {
    await send(sse);
    sse.finish();
  } catch (thrown) {
    sse.abandon();
    if (!sse.committed) throw thrown;
    const error = context.gone ? new CallerError('cancelled', 'The caller left.') : translateError(thrown);
    context.error = error;
    if (error.code === 'internal')
      logger.error('stream-failed', { requestId: context.requestId, runId: context.runId }, thrown);
    if (!context.gone) sse.fail(error);
  }
  return { kind: 'sent' };
}

async function relay(
  { events }: ChatStream,
  form: StreamForm,
  sse: SseResponse,
  context: RequestContext,
  clock: Clock,
): Promise<void> {
  for (const event of form.opening) await sse.send(event);
  for (;;) {
    const next = await waitedFor(context, clock, events.next());
    if (next.done === true) break;
    for (const event of form.translate(next.value)) await sse.send(event);
  }
  for (const event of form.closing()) await sse.send(event);
}

function isHit({ cache }: RunSummary): boolean {
  return cache?.status === 'hit';
}

function summaryHeaders(summary: RunSummary): Record<string, string> {
  const { runId, provider, model, attempts, overheadMs, degraded, simulated, cache } = summary;
  const headers: Record<string, string> = { 'x-revoagent-run': runId };
  if (provider !== null) headers['x-revoagent-provider'] = headerValue(provider);
  if (model !== null) headers['x-revoagent-model'] = headerValue(model);
  headers['x-revoagent-attempts'] = String(attempts);
  headers['x-revoagent-overhead-ms'] = overheadMs.toFixed(2);
  if (degraded) headers['x-revoagent-degraded'] = 'true';
  if (simulated) headers['x-revoagent-simulated'] = 'true';
  if (cache !== undefined) Object.assign(headers, cacheHeaders(cache));
  return headers;
}
