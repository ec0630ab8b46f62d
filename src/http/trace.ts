/**
 * Takes up the caller's trace where its header is valid, begins one where there is none, and gives every request a span of its own.
 * A trace that begins elsewhere is kept where its beginner keeps it; one that begins here, where `samples` says so.
 */
import { newSpanId, newTraceId, parseTraceparent, traceparentOf } from '#core/trace-context';

export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** What goes to the upstream and back to the caller. */
  readonly traceparent: string;
  /** The caller's span. */
  readonly parentSpanId: string | null;
}

/** `samples`: left out where no trace is kept. */
export function createTracer(
  samples?: (traceId: string) => boolean,
): (incoming: string | string[] | undefined) => Trace {
  return (incoming) => {
    const given = typeof incoming === 'string' ? parseTraceparent(incoming) : null;
    const traceId = given?.traceId ?? newTraceId();
    const sampled = given?.sampled ?? samples?.(traceId) ?? false;
    const traceparent = traceparentOf({ traceId, spanId: newSpanId(), sampled });
    return { traceId, traceparent, parentSpanId: given?.spanId ?? null };
  };
}
