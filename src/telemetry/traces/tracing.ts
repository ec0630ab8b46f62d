/**
 * Spans out of what rooms tell: a request, beneath it a run or an agent's turn, beneath these attempts and tools. Spans are made when
 * what they are of has ended, from the record of it, so a run carries two ids and no span. Attributes hold names, figures and codes of
 * the hub's: never a prompt, an answer, an argument, a key, a path or a text of an upstream's.
 */
import type { Clock } from '#core/clock';
import { newSpanId, parseTraceparent, traceparentOf } from '#core/trace-context';
import type { TraceContext } from '#core/trace-context';
import type { ToolUse } from '#contract/agents';
import type { RequestFinished } from '#contract/observer';
import type { AttemptRecord, RunRecord } from '#contract/runs';
import type {
  MessageFinished,
  RunOperation,
  RunTrace,
  ToolTrace,
  Tracing,
  TurnFacts,
  TurnTrace,
} from '#contract/tracing';
import { otlpSpan } from './otlp.ts';
import type { OtlpSpan, SpanFacts } from './otlp.ts';

export interface TracingOptions {
  readonly clock: Clock;
  /** Of the traces that begin here, 0 to 1. */
  readonly ratio: number;
  readonly export: (span: OtlpSpan) => void;
}

export function createTracing({ clock, ratio, export: send }: TracingOptions): Tracing {
  // As OpenTelemetry's sampler by ratio: the last seven bytes of an id are random, by W3C trace context, level 2.
  const below = Math.round(ratio * 0x1_0000_0000);
  const spans = new Spans(clock, send);
  return {
    samples: (traceId) => Number.parseInt(traceId.slice(-8), 16) < below,
    requestFinished: (event) => requestSpan(spans, event),
    messageFinished: (event) => messageSpan(spans, event),
    run(traceparent, operation) {
      const parent = sampled(traceparent);
      return parent === null ? undefined : new RunSpans(spans, parent, operation);
    },
    turn(traceparent) {
      const parent = sampled(traceparent);
      return parent === null ? undefined : new TurnSpans(spans, parent);
    },
  };
}

/** Null where the trace is not exported. */
function sampled(traceparent: string | null | undefined): TraceContext | null {
  // Most are not, and their header ends so.
  if (traceparent?.endsWith('1') !== true) return null;
  const context = parseTraceparent(traceparent);
  return context?.sampled === true ? context : null;
}

function childOf(parent: TraceContext): TraceContext {
  return { ...parent, spanId: newSpanId() };
}

type Ended = Omit<SpanFacts, 'traceId' | 'spanId' | 'parentSpanId' | 'startWallMs'> & {
  /** Now, where it is left out. */
  readonly startWallMs?: number;
};

/** What all spans have in common: they ended just now. */
class Spans {
  readonly clock: Clock;
  readonly #send: (span: OtlpSpan) => void;

  constructor(clock: Clock, send: (span: OtlpSpan) => void) {
    this.clock = clock;
    this.#send = send;
  }

  end({ traceId, spanId }: TraceContext, parentSpanId: string | null, ended: Ended): void {
    const startWallMs = ended.startWallMs ?? this.clock.wallMs() - ended.durationMs;
    this.#send(otlpSpan({ ...ended, traceId, spanId, parentSpanId, startWallMs }));
  }
}

function requestSpan(spans: Spans, event: RequestFinished): void {
  const own = sampled(event.traceparent);
  if (own === null) return;
  const { method, route, status } = event;
  const failed = status >= 500 || event.streamFailed;
  spans.end(own, event.parentSpanId, {
    name: route === 'unmatched' ? method : `${method} ${route}`,
    kind: 'server',
    durationMs: event.durationMs,
    failed,
    attributes: {
      'http.request.method': method,
      'http.route': route === 'unmatched' ? null : route,
      'http.response.status_code': status,
      'error.type': failed ? (event.errorCode ?? `${status}`) : null,
      'revoagent.request.id': event.requestId,
      'revoagent.run.id': event.runId,
      'revoagent.error.code': event.errorCode,
    },
  });
}

function messageSpan(spans: Spans, { type, durationMs, errorCode, ...trace }: MessageFinished): void {
  const own = sampled(trace.traceparent);
  if (own === null) return;
  spans.end(own, trace.parentSpanId, {
    name: `websocket ${type}`,
    kind: 'server',
    durationMs,
    failed: errorCode !== null,
    attributes: { 'network.protocol.name': 'websocket', 'error.type': errorCode },
  });
}

/** Names that the conventions have for providers; another kind has its own. */
const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  gemini: 'gcp.gemini',
  'azure-openai': 'azure.ai.openai',
};

const NOT_FAILED: ReadonlySet<AttemptRecord['outcome']> = new Set(['succeeded', 'superseded', 'cancelled', 'running']);

class RunSpans implements RunTrace {
  readonly #spans: Spans;
  readonly #parent: TraceContext;
  readonly #own: TraceContext;
  readonly #operation: RunOperation;
  readonly #attempts = new Map<AttemptRecord, { readonly context: TraceContext; readonly kind: string }>();

  constructor(spans: Spans, parent: TraceContext, operation: RunOperation) {
    this.#spans = spans;
    this.#parent = parent;
    this.#own = childOf(parent);
    this.#operation = operation;
  }

  attempt(record: AttemptRecord, kind: string): string {
    const known = this.#attempts.get(record)?.context;
    const context = known ?? childOf(this.#own);
    if (known === undefined) this.#attempts.set(record, { context, kind });
    return traceparentOf(context);
  }

  finished(run: RunRecord): void {
    const durationMs = run.durationMs ?? 0;
    const startWallMs = this.#spans.clock.wallMs() - durationMs;
    const heldBack: NonNullable<SpanFacts['events']>[number][] = [];
    for (const record of run.attempts) {
      if (this.#attempts.has(record)) this.#endAttempt(run, record, startWallMs);
      else heldBack.push(heldBackEvent(record));
    }
    this.#spans.end(this.#own, this.#parent.spanId, {
      name: `run ${run.route ?? 'unrouted'}`,
      kind: 'internal',
      startWallMs,
      durationMs,
      failed: run.status === 'failed' || run.status === 'degraded',
      attributes: {
        'revoagent.run.id': run.id,
        'revoagent.run.status': run.status,
        'revoagent.project.id': run.projectId,
        'revoagent.surface': run.surface,
        'revoagent.stream': run.stream,
        'revoagent.overhead_ms': run.overheadMs,
        'revoagent.stop': run.stop,
        'revoagent.answered.by': run.answered?.by,
        'revoagent.answered.run.id': run.answered?.runId,
        'error.type': run.errorCode,
      },
      events: [
        ...heldBack,
        ...(run.guardrail ?? []).map(({ stage, action, tookMs }) => ({
          name: 'guardrail',
          afterMs: stage === 'before' ? 0 : durationMs,
          attributes: { 'revoagent.stage': stage, 'revoagent.action': action, 'revoagent.took_ms': tookMs },
        })),
      ],
    });
  }

  #endAttempt(run: RunRecord, record: AttemptRecord, runStartWallMs: number): void {
    const given = this.#attempts.get(record);
    if (given === undefined) return;
    const { context, kind } = given;
    const { connectMs, firstTokenMs, outcome, upstreamStatus } = record;
    const durationMs = record.totalMs ?? (run.durationMs ?? 0) - record.startedMs;
    const failed = !NOT_FAILED.has(outcome);
    const finish = outcome === 'succeeded' ? run.finishReason : null;
    this.#spans.end(context, this.#own.spanId, {
      name: `${this.#operation} ${record.model}`,
      kind: 'client',
      startWallMs: runStartWallMs + record.startedMs,
      durationMs,
      failed,
      attributes: {
        'gen_ai.operation.name': this.#operation,
        'gen_ai.provider.name': PROVIDER_NAMES[kind] ?? kind,
        'gen_ai.request.model': record.model,
        'gen_ai.response.finish_reasons': finish === null ? null : [finish],
        'gen_ai.usage.input_tokens': record.promptTokens,
        'gen_ai.usage.output_tokens': record.completionTokens,
        'gen_ai.usage.cache_read.input_tokens': record.cachedTokens,
        'http.response.status_code': upstreamStatus,
        'error.type': failed ? (outcome === 'status' ? `${upstreamStatus ?? outcome}` : outcome) : null,
        'revoagent.deployment': record.deployment,
        'revoagent.attempt.number': record.number,
        'revoagent.attempt.kind': record.kind,
        'revoagent.attempt.outcome': outcome,
        'revoagent.breaker.state': record.breakerState,
        'revoagent.cost_micro_usd': record.costMicroUsd,
      },
      events: [
        ...(connectMs === null ? [] : [{ name: 'connected', afterMs: connectMs }]),
        ...(firstTokenMs === null ? [] : [{ name: 'first_token', afterMs: firstTokenMs }]),
      ],
    });
  }
}

/** An attempt that never went out is no span, but why the next one was made. */
function heldBackEvent({ startedMs, deployment, outcome }: AttemptRecord) {
  const attributes = { 'revoagent.deployment': deployment, 'revoagent.attempt.outcome': outcome };
  return { name: 'attempt_held_back', afterMs: startedMs, attributes };
}

class TurnSpans implements TurnTrace {
  readonly #spans: Spans;
  readonly #parent: TraceContext;
  readonly #own: TraceContext;
  readonly #since: number;
  readonly traceparent: string;

  constructor(spans: Spans, parent: TraceContext) {
    this.#spans = spans;
    this.#parent = parent;
    this.#own = childOf(parent);
    this.#since = spans.clock.now();
    this.traceparent = traceparentOf(this.#own);
  }

  tool(): ToolTrace {
    const context = childOf(this.#own);
    return { traceparent: traceparentOf(context), finished: (use) => this.#endTool(context, use) };
  }

  #endTool(context: TraceContext, { id, name, outcome, tookMs }: ToolUse): void {
    // A tool that nobody has is a word of the model's.
    const known = outcome !== 'unknown_tool';
    this.#spans.end(context, this.#own.spanId, {
      name: known ? `execute_tool ${name}` : 'execute_tool',
      kind: 'internal',
      durationMs: tookMs,
      failed: outcome !== 'succeeded',
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': known ? name : null,
        'gen_ai.tool.call.id': known ? id : null,
        'error.type': outcome === 'succeeded' ? null : outcome,
      },
    });
  }

  finished({ agent, conversationId, end }: TurnFacts): void {
    const failed = end === 'failed';
    this.#spans.end(this.#own, this.#parent.spanId, {
      name: `invoke_agent ${agent.name}`,
      kind: 'internal',
      durationMs: this.#spans.clock.now() - this.#since,
      failed,
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.id': agent.id,
        'gen_ai.agent.name': agent.name,
        'gen_ai.conversation.id': conversationId,
        'revoagent.project.id': agent.projectId,
        'revoagent.turn.end': end,
        'error.type': failed ? 'failed' : null,
      },
    });
  }
}
