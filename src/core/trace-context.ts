/**
 * W3C trace context (https://www.w3.org/TR/trace-context/): one header, read strictly and written in version 00. An invalid header is as
 * good as none, as the standard says.
 */
import { randomFillSync } from 'node:crypto';

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whoever began the trace wants it kept. */
  readonly sampled: boolean;
}

const SHAPE = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;
const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
/** Random bytes come in batches: a call of the operating system for every request shows in a profile. */
const pool = Buffer.alloc((TRACE_BYTES + SPAN_BYTES) * 128);
let used = pool.length;

export function newTraceId(): string {
  return randomHex(TRACE_BYTES);
}

export function newSpanId(): string {
  return randomHex(SPAN_BYTES);
}

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}

/** Null for a header that is not valid. */
export function parseTraceparent(text: string): TraceContext | null {
  const [, version, traceId, spanId, flags, more] = SHAPE.exec(text) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return null;
  // Version 00 has four fields; ff is forbidden; later versions may say more, of which we take what we know.
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function traceparentOf({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}
