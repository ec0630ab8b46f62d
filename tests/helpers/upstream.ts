/**
 * A real upstream on port 0 that speaks OpenAI's chat completions and fails by script: a test says what it does with each request, and
 * reads afterwards what it received and which requests its client gave up. It waits for nothing by itself: where something is
 * late, the test opens a gate.
 */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './suite.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  /** The client closed the connection before the response was complete. */
  aborted: boolean;
  /** Bytes sent on its connection so far. */
  readonly bytesSent: number;
  /** The response was sent whole. */
  finished: boolean;
}

export interface Exchange {
  readonly received: Received;
  readonly response: ServerResponse;
  /** Ends the connection without a proper end, as a crashed process does. */
  cut(): void;
}

export type Behaviour = (exchange: Exchange) => void | Promise<void>;

export interface Upstream {
  /** Up to the version, for a provider's settings. */
  readonly baseUrl: string;
  readonly received: Received[];
  /** What the next requests meet, in order; afterwards they meet `otherwise`. */
  script(...behaviours: Behaviour[]): void;
  otherwise: Behaviour;
  /** Models its list names. */
  models: string[];
}

/** `listed`: what a GET of the path gives, where another protocol lists its models in another shape. */
export async function startUpstream(
  t: Cleanup,
  listed: (ids: readonly string[], path: string) => unknown = openAiModels,
): Promise<Upstream> {
  const scripted: Behaviour[] = [];
  const received: Received[] = [];
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') {
      json(response, 200, listed(upstream.models, request.url ?? ''));
      return;
    }
    const entry = await receive(request, response);
    received.push(entry);
    await (scripted.shift() ?? upstream.otherwise)({ received: entry, response, cut: () => request.socket.destroy() });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const upstream: Upstream = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    received,
    script: (...behaviours) => void scripted.push(...behaviours),
    otherwise: answers(),
    models: ['test-model'],
  };
  return upstream;
}

function openAiModels(ids: readonly string[]): unknown {
  return { object: 'list', data: ids.map((id) => ({ id, object: 'model', created: 1, owned_by: 'test' })) };
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<Received> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  const entry: Received = {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    body: JSON.parse(text),
    aborted: false,
    get bytesSent() {
      return request.socket.bytesWritten;
    },
    finished: false,
  };
  response.on('close', () => {
    entry.finished = response.writableFinished;
    entry.aborted = !response.writableFinished;
  });
  return entry;
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A completion, or its stream where the request asks for one. */
export function answers(text = 'All is well.'): Behaviour {
  return (exchange) => {
    if (exchange.received.body['stream'] === true) return streams(text.match(/\s*\S+/g) ?? [])(exchange);
    json(exchange.response, 200, completion(exchange, text));
  };
}

/** A vector for each text: its place, its length, 0.5; in base64 where the request asks for that. */
export const embeds: Behaviour = ({ received, response }) => {
  const { input, model, encoding_format: format } = received.body;
  const texts: unknown[] = Array.isArray(input) ? input : [input];
  const data = texts.map((text, index) => {
    const vector = [index, String(text).length, 0.5];
    const base64 = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    return { object: 'embedding', index, embedding: format === 'base64' ? base64 : vector };
  });
  json(response, 200, { object: 'list', data, model, usage: { prompt_tokens: 5, total_tokens: 5 } });
};

/** A status with the provider's error object, or with the body that is given. */
export function refuses(
  status: number,
  error: unknown = { message: `status ${status}`, type: 'server_error' },
  headers: Record<string, string> = {},
): Behaviour {
  return ({ response }) => json(response, status, { error }, headers);
}

export function answersHtml(status: number): Behaviour {
  return ({ response }) => {
    response.writeHead(status, { 'content-type': 'text/html' }).end('<html><body><h1>Bad Gateway</h1></body></html>');
  };
}

export function answersBody(body: unknown): Behaviour {
  return ({ response }) => json(response, 200, body);
}

/** Exactly this text as the body of a 200, under its length. */
export function answersRaw(text: string, headers: Record<string, string> = {}): Behaviour {
  return ({ response }) => {
    const length = String(Buffer.byteLength(text));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': length, ...headers }).end(text);
  };
}

/** Ends the connection before any header. */
export const resets: Behaviour = ({ cut }) => cut();

export const neverAnswers: Behaviour = () => undefined;

/** The first half of a plain answer, under the length of the whole. */
export const cutsPlain: Behaviour = async (exchange) => {
  const text = JSON.stringify(completion(exchange, 'All is well.'));
  exchange.response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(text.length) });
  await flushed(exchange.response, text.slice(0, text.length / 2));
  exchange.cut();
};

export interface StreamScript {
  /** What follows the words; nothing where the stream is to end early. */
  readonly ending?: 'whole' | 'no-done' | 'no-end' | 'unfinished' | 'cut' | 'stall';
  /** Waited for before the word at this place. */
  readonly gates?: Readonly<Record<number, Promise<void>>>;
  /** Sent raw in place of the word at this position. */
  readonly raw?: Readonly<Record<number, string>>;
  /** Waited for after the headers, before the first event. */
  readonly before?: Promise<void>;
}

/** Headers, a role, the words, and the ending. */
export function streams(words: readonly string[], script: StreamScript = {}): Behaviour {
  return async (exchange) => {
    const { response } = exchange;
    const { ending = 'whole', gates = {}, raw = {} } = script;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    await script.before;
    await flushed(response, chunk(exchange, { role: 'assistant', content: '' }));
    for (const [position, word] of words.entries()) {
      await gates[position];
      await flushed(response, raw[position] ?? chunk(exchange, { content: word }));
    }
    if (ending === 'stall') return;
    if (ending === 'cut') {
      exchange.cut();
      return;
    }
    if (ending !== 'unfinished') await flushed(response, chunk(exchange, {}, 'stop'));
    if (ending === 'whole' && wantsUsage(exchange)) await flushed(response, usageChunk(exchange));
    if (ending === 'no-end') return;
    if (ending === 'whole' || ending === 'unfinished') await flushed(response, 'data: [DONE]\n\n');
    response.end();
  };
}

/** One event of a stream as it goes over the wire. */
export function chunk(exchange: Exchange, delta: unknown, finish: string | null = null): string {
  return event({
    ...frame(exchange),
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
}

export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** Opened by the test; what waits for it goes on then. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Asks at every turn of the event loop until the answer is true; fails after 30 s of real time. */
export async function until(what: string, ask: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!ask()) {
    if (performance.now() > end) throw new Error(`this did not happen: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };

function completion(exchange: Exchange, text: string): unknown {
  const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }];
  return { ...frame(exchange), object: 'chat.completion', choices, usage: USAGE };
}

function usageChunk(exchange: Exchange): string {
  return event({ ...frame(exchange), object: 'chat.completion.chunk', choices: [], usage: USAGE });
}

function frame({ received }: Exchange): Record<string, unknown> {
  return { id: 'chatcmpl-test', created: 1, model: received.body['model'] };
}

function wantsUsage({ received }: Exchange): boolean {
  const options = received.body['stream_options'];
  return (
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  );
}

/** Resolves when the system has taken the bytes; a client that is gone takes none. */
export function flushed(response: ServerResponse, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.socket === null) resolve();
    else response.write(text, () => resolve());
  });
}
