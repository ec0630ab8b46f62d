/**
 * Spans as OTLP has them, in its JSON form (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): ids in hexadecimal,
 * times in nanoseconds since 1970 and whole numbers as text, enumerations as numbers.
 */
export const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const;

export type AttributeValue = string | number | boolean | readonly string[] | null | undefined;

/** Names by the semantic conventions of OpenTelemetry where these have one, else `revoagent.…`. Null and undefined are left out. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface SpanFacts {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: keyof typeof SPAN_KIND;
  /** Milliseconds since 1970, with a fraction. */
  readonly startWallMs: number;
  readonly durationMs: number;
  readonly attributes: Attributes;
  readonly events?: readonly { readonly name: string; readonly afterMs: number; readonly attributes?: Attributes }[];
  readonly failed: boolean;
}

interface KeyValue {
  readonly key: string;
  readonly value: object;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly events: readonly {
    readonly timeUnixNano: string;
    readonly name: string;
    readonly attributes: readonly KeyValue[];
  }[];
  readonly status: { readonly code?: number };
}

const SAMPLED = 1;
const STATUS_ERROR = 2;

export function otlpSpan(facts: SpanFacts): OtlpSpan {
  const { startWallMs, durationMs, parentSpanId, events = [] } = facts;
  return {
    traceId: facts.traceId,
    spanId: facts.spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    flags: SAMPLED,
    name: facts.name,
    kind: SPAN_KIND[facts.kind],
    startTimeUnixNano: nanos(startWallMs),
    endTimeUnixNano: nanos(startWallMs + durationMs),
    attributes: keyValues(facts.attributes),
    events: events.map(({ name, afterMs, attributes = {} }) => ({
      timeUnixNano: nanos(startWallMs + afterMs),
      name,
      attributes: keyValues(attributes),
    })),
    status: facts.failed ? { code: STATUS_ERROR } : {},
  };
}

/** The body of a request of OTLP/HTTP, to be sent as `application/json`. */
export function otlpBody(resource: Attributes, scope: { name: string; version: string }, spans: readonly OtlpSpan[]) {
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes: keyValues(resource) }, scopeSpans: [{ scope, spans }] }],
  });
}

/** How many spans of a batch were refused, as the answer to it says; an answer that says nothing took all. */
export function rejectedIn(answer: string): number {
  try {
    const parsed: unknown = JSON.parse(answer);
    const count = Number(at(at(parsed, 'partialSuccess'), 'rejectedSpans') ?? 0);
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    // A collector may answer in words of its own; its status has said that it took them.
    return 0;
  }
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

/** To the microsecond: a number holds no more of today's nanoseconds. */
function nanos(wallMs: number): string {
  return `${Math.round(wallMs * 1_000)}000`;
}

function keyValues(attributes: Attributes): KeyValue[] {
  const pairs: KeyValue[] = [];
  for (const [key, value] of Object.entries(attributes))
    if (value !== null && value !== undefined) pairs.push({ key, value: anyValue(value) });
  return pairs;
}

function anyValue(value: NonNullable<AttributeValue>): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: `${value}` } : { doubleValue: value };
  return { arrayValue: { values: value.map(anyValue) } };
}
