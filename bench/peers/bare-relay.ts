/**
 * The limit of the platform: what Node's own server and undici's own client do with nothing between them. No parsing, no
 * checks, no log. It reads the request whole, as every gateway must to find the model (and as is faster here than streaming it),
 * streams the answer with backpressure, and cancels upstream when the caller leaves. A program:
 * `node bare-relay.ts <port> <upstream origin>`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';

const CONNECTIONS_MAX = 4_096;
const BODY_BYTES_MAX = 8 << 20;

const [port, origin] = process.argv.slice(2);
if (port === undefined || origin === undefined) throw new Error('usage: bare-relay.ts <port> <upstream origin>');
const pool = new Pool(origin, { connections: CONNECTIONS_MAX, pipelining: 1 });

createServer({ keepAliveTimeout: 3_600_000 }, relay).listen(Number(port), '127.0.0.1');

function relay(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) request.destroy();
    else chunks.push(chunk);
  });
  request.on('end', () => {
    const { authorization, 'content-type': type = 'application/json' } = request.headers;
    const headers = authorization === undefined ? { 'content-type': type } : { 'content-type': type, authorization };
    const [first, ...others] = chunks;
    const body = first === undefined ? null : others.length === 0 ? first : Buffer.concat(chunks, bytes);
    pool.dispatch({ path: request.url ?? '/', method: 'POST', headers, body }, handlerFor(response));
  });
}

function handlerFor(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller) {
      response.once('close', () => {
        if (!response.writableFinished) controller.abort(new Error('The caller left.'));
      });
    },
    onResponseStart(_controller, status, headers) {
      const passed: Record<string, string | string[]> = {};
      for (const name of ['content-type', 'content-length']) {
        const value = headers[name];
        if (value !== undefined) passed[name] = value;
      }
      response.writeHead(status, passed);
    },
    onResponseData(controller, chunk) {
      if (response.write(chunk)) return;
      controller.pause();
      response.once('drain', () => controller.resume());
    },
    onResponseEnd() {
      response.end();
    },
    onResponseError() {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  };
}
