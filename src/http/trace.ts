/**
 * W3C trace context (https://www.w3.org/TR/trace-context/): takes up the caller's trace where its header is valid, begins one
 * where there is none, and gives every request a span of its own. An invalid header is as good as none, as the standard says.
 */
import { randomFillSync } from 'node:crypto';

export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** What goes to the upstream and back to the caller. */
  readonly traceparent: string;
}

const SHAPE = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;
const TRACE_BYTES = 16;
const SPAN_BYTES = 8;

/** Random bytes come in batches: a call of the operating system for every request shows in a profile. */
export function createTracer(): (incoming: string | string[] | undefined) => Trace {
  const pool = Buffer.alloc((TRACE_BYTES + SPAN_BYTES) * 128);
  let used = pool.length;

  function randomHex(bytes: number): string {
    if (used + bytes > pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += bytes;
    return pool.toString('hex', used - bytes, used);
  }

  return (incoming) => {
    const given = typeof incoming === 'string' ? parse(incoming) : null;
    const traceId = given?.traceId ?? randomHex(TRACE_BYTES);
    return { traceId, traceparent: `00-${traceId}-${randomHex(SPAN_BYTES)}-${given?.sampled === true ? '01' : '00'}` };
  };
}

function parse(text: string): { traceId: string; sampled: boolean } | null {
  const [, version, traceId, spanId, flags, more] = SHAPE.exec(text) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return null;
  // Version 00 has four fields; ff is forbidden; later versions may say more, of which we take what we know.
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
  return { traceId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
