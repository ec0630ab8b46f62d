/** A collector of traces: takes OTLP over HTTP as JSON, holds every span against the form, and keeps what came for the test to read. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './suite.ts';

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
  readonly failed: boolean;
}

export interface Collector {
  readonly url: string;
  readonly spans: Span[];
  /** Of each request: its headers' `authorization`, and its body as it came. */
  readonly requests: { readonly path: string; readonly authorization: string | undefined; readonly body: string }[];
  /** What a request meets once it was read. */
  answer: (response: ServerResponse) => void;
  /** Children of a span, by their start. */
  beneath(span: Span): Span[];
}

const KINDS = { 1: 'internal', 2: 'server', 3: 'client' } as const;

export async function startCollector(t: Cleanup): Promise<Collector> {
  const server = createServer((request, response) => void take(request, response));
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    collector.requests.push({ path: request.url ?? '', authorization: request.headers.authorization, body });
    collector.spans.push(...spansIn(JSON.parse(body)));
    collector.answer(response);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const collector: Collector = {
    url: `http://127.0.0.1:${port}`,
    spans: [],
    requests: [],
    answer: (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
    beneath: ({ traceId, spanId }) =>
      collector.spans
        .filter((span) => span.traceId === traceId && span.parentSpanId === spanId)
        .toSorted((one, other) => Number(one.startNs - other.startNs)),
  };
  return collector;
}

type Json = Record<string, unknown>;

function spansIn(body: Json): Span[] {
  const [resource, ...others] = listOf(body, 'resourceSpans');
  assert.ok(resource !== undefined && others.length === 0);
  const { 'service.name': service } = attributesOf(resource['resource'] as Json);
  assert.equal(service, 'revoagent');
  return listOf(resource, 'scopeSpans').flatMap((scope) => listOf(scope, 'spans').map(spanOf));
}

function spanOf(span: Json): Span {
  const { traceId, spanId, parentSpanId, name, kind, status } = span;
  assert.match(String(traceId), /^[0-9a-f]{32}$/);
  assert.match(String(spanId), /^[0-9a-f]{16}$/);
  const parent = typeof parentSpanId === 'string' ? parentSpanId : null;
  assert.equal(parent === null, parentSpanId === undefined);
  if (parent !== null) assert.match(parent, /^[0-9a-f]{16}$/);
  const [startNs, endNs] = [BigInt(String(span['startTimeUnixNano'])), BigInt(String(span['endTimeUnixNano']))];
  assert.ok(startNs <= endNs, `${String(name)} ends before it starts`);
  return {
    traceId: String(traceId),
    spanId: String(spanId),
    parentSpanId: parent,
    name: String(name),
    kind: KINDS[kind as keyof typeof KINDS] ?? assert.fail(`no kind: ${String(kind)}`),
    startNs,
    endNs,
    attributes: attributesOf(span),
    events: listOf(span, 'events').map((event) => String(event['name'])),
    failed: (status as Json)['code'] === 2,
  };
}

function listOf(value: Json, key: string): Json[] {
  const list = value[key];
  assert.ok(Array.isArray(list), `${key} is no list`);
  return list;
}

function attributesOf(value: Json): Json {
  return Object.fromEntries(listOf(value, 'attributes').map(({ key, value: any }) => [key, valueOf(any as Json)]));
}

/** By the JSON form of protocol buffers: a whole number of 64 bits is a text. */
function valueOf(any: Json): unknown {
  const [[kind, value] = [], ...others] = Object.entries(any);
  assert.equal(others.length, 0);
  switch (kind) {
    case 'stringValue':
      assert.equal(typeof value, 'string');
      return value;
    case 'boolValue':
    case 'doubleValue':
      return value;
    case 'intValue':
      assert.equal(typeof value, 'string');
      return Number(value);
    case 'arrayValue':
      return listOf(value as Json, 'values').map(valueOf);
    default:
      return assert.fail(`no value: ${JSON.stringify(any)}`);
  }
}
