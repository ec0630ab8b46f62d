/**
 * A target and a hub in front of it, over real sockets on both sides: the http and the external room with the settings that the
 * configuration gives, a target that does what a test says, and callers that may write what no HTTP client would.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { seededRandom } from '#core/random';
import { createExternals } from '#external/externals';
import { createBreakerControl } from '../../src/hub/breakers.ts';
import { BreakerRegistry } from '#resilience/registry';
import { loadText } from '../helpers/config-text.ts';
import { answersOn } from '../helpers/lookups.ts';
import { startHttpHub } from '../helpers/http-hub.ts';
import type { HttpHub } from '../helpers/http-hub.ts';
import { unobserved } from '../helpers/unobserved.ts';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly response: ServerResponse;
  /** Its client ended the exchange before the response was whole. */
  aborted: boolean;
}

export type Behaviour = (received: Received) => void;

export interface Target {
  readonly port: number;
  readonly received: Received[];
  /** Connections that were made to it. */
  connections: number;
  /** What the next requests meet, in order; afterwards they meet `otherwise`. */
  script(...behaviours: Behaviour[]): void;
  otherwise: Behaviour;
}

export const answers =
  (status = 200, body = '{"ok":true}', headers: Record<string, string | string[]> = {}): Behaviour =>
  ({ response }) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);

export const resets: Behaviour = ({ response }) => void response.socket?.resetAndDestroy();

export const neverAnswers: Behaviour = () => undefined;

export async function startTarget(t: TestContext): Promise<Target> {
  const scripted: Behaviour[] = [];
  const server = createServer((request, response) => void serve(request, response));
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    try {
      for await (const part of request.setEncoding('utf8')) body += part;
    } catch {
      // The client left while it sent: what it began is recorded all the same.
      body += ' (cut)';
    }
    const { method = '', url = '', headers } = request;
    const received: Received = { method, url, headers, body, response, aborted: false };
    response.on('close', () => (received.aborted = !response.writableFinished));
    target.received.push(received);
    (scripted.shift() ?? target.otherwise)(received);
  }
  server.on('connection', () => target.connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const target: Target = {
    port: (server.address() as AddressInfo).port,
    received: [],
    connections: 0,
    script: (...behaviours) => void scripted.push(...behaviours),
    otherwise: answers(),
  };
  return target;
}

/** A target that answers any bytes with these. */
export async function startRawTarget(t: TestContext, answer: string | Uint8Array): Promise<{ port: number }> {
  const server = createNetServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port };
}

export interface ExternalHub extends HttpHub {
  readonly breakers: BreakerRegistry;
  /** A call of the API `api` with a key that may. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Sends these bytes, and gives all that comes until the connection ends. */
  raw(request: string | Uint8Array): Promise<string>;
  /** A raw request with a key that may, that ends its connection. What frames a body is for the headers to say. */
  ask(target: string, headers?: readonly string[], method?: string, body?: string): Promise<string>;
}

/** A hub that knows the target as `api`, by its address where `settings` say no other. Waits between attempts are none. */
export async function startExternalHub(
  t: TestContext,
  { port }: Pick<Target, 'port'>,
  settings: Record<string, unknown> = {},
  clock: Clock = systemClock,
  kept = answersOn(clock),
): Promise<ExternalHub> {
  const api = { baseUrl: `http://127.0.0.1:${port}`, retry: { baseMs: 0 }, ...settings };
  const { external: configured } = loadText(t, JSON.stringify({ external: { api } })).config;
  const random = seededRandom(1);
  const breakers = new BreakerRegistry({ clock, random });
  const external = createExternals(configured, {
    clock,
    random,
    breakers,
    retryRatio: 0.2,
    observer: unobserved,
    answers: kept,
  });
  t.after(() => external.close());
  const hub = await startHttpHub(t, { clock, deps: { external, breakers: createBreakerControl(breakers, clock) } });
  const authorization = `Bearer ${hub.keys.external}`;
  const raw: ExternalHub['raw'] = async (request) => {
    const { hostname, port: hubPort } = new URL(hub.url);
    const socket = connect(Number(hubPort), hostname);
    t.after(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.write(request);
    await once(socket, 'close');
    return text;
  };
  return {
    ...hub,
    breakers,
    call: (path, init = {}) =>
      fetch(`${hub.url}/api/external/api${path}`, {
        redirect: 'manual',
        ...init,
        headers: { authorization, ...Object.fromEntries(new Headers(init.headers)) },
      }),
    raw,
    ask: (target, headers = [], method = 'GET', body = '') =>
      raw(
        Buffer.from(
          [
            `${method} ${target} HTTP/1.1`,
            'host: hub',
            `authorization: ${authorization}`,
            'connection: close',
            ...headers,
            `\r\n${body}`,
          ].join('\r\n'),
          'latin1',
        ),
      ),
  };
}

/** The hub's own error, which it must be. */
export async function problemOf(response: Response): Promise<{ status: number; code: string; detail: string }> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const problem: unknown = await response.json();
  assert.ok(typeof problem === 'object' && problem !== null && 'code' in problem && 'detail' in problem);
  return { status: response.status, code: String(problem.code), detail: String(problem.detail) };
}

export function statusOf(raw: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(raw)?.[1]);
}
