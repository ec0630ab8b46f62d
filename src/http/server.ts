/**
 * The HTTP server: its listeners, its router and its end. Binds nothing before it is told to; what every request goes through
 * is in `pipeline.ts`, how connections end in `connections.ts`.
 */
import { createServer as createNodeServer, STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { fastify } from 'fastify';
import { InvariantError } from '#core/errors';
import { newId } from '#core/ids';
import { Precompressed } from './compression.ts';
import { Connections } from './connections.ts';
import { renderError } from './errors/render.ts';
import { translateClientError } from './errors/translate.ts';
import { inTurn } from './in-turn.ts';
import { bindLocalSocket } from './local-socket.ts';
import { openApiDocument } from './openapi.ts';
import { readAssets } from './page.ts';
import { pathParams, routerPath } from './paths.ts';
import type { HttpDeps } from './pipeline.ts';
import { Pipeline } from './pipeline.ts';
import { operations } from './routes/index.ts';
import { asyncApiDocument } from './websocket/asyncapi.ts';
import { isHandshake, Sockets } from './websocket/sockets.ts';

export type { HttpDeps, HttpSettings } from './pipeline.ts';

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  readonly url: string;
}

export interface HttpServer {
  /** Where it listens; null before. */
  readonly address: HttpAddress | null;
  /** Rejects with the system's error (`EADDRINUSE`). Port 0 takes a free one. */
  listen(at: { host: string; port: number }): Promise<HttpAddress>;
  /**
   * The same operations with every scope, for whoever may open the file: the user that runs the hub (mode 0600). A socket
   * file that is there already is taken to be a dead hub's; the caller holds the lock of its folder.
   */
  listenSocket(path: string): Promise<void>;
  /** A request without a network. */
  inject: FastifyInstance['inject'];
  /** Refuses new connections; open ones are served and told to close. */
  beginDrain(): void;
  /** Resolves when no connection is left, at the latest 2 s after `graceMs`: then it has ended what was left. */
  close(graceMs: number): Promise<void>;
}

/** Idle connections outlive those of a balancer in front (4 s at nginx), so that it never writes on one that just closed. */
const KEEP_ALIVE_MS = 75_000;
/** How often slow senders are looked for, at most. */
const RECEIVE_CHECK_MS = 1_000;
/** Connections that the system makes before the loop has taken them: all that come at once in a burst. Node's 511 made others wait a second. */
const BACKLOG = 4_096;
/** A longer part of a path is no id and no name of ours. */
const PATH_PART_CHARS_MAX = 1_024;

export function createServer(deps: HttpDeps): HttpServer {
  const connections = new Connections(deps.clock);
  const document = openApiDocument(operations, deps.settings.version);
  const openApi = new Precompressed(Buffer.from(JSON.stringify(document)));
  const asyncApi = new Precompressed(Buffer.from(JSON.stringify(asyncApiDocument(deps.settings.version))));
  const pipeline = new Pipeline({ ...deps, openApi, asyncApi, assets: readAssets() }, connections, operations);
  const sockets = new Sockets({ deps, door: pipeline, connections });
  const { app, route } = createRouter(pipeline);
  let address: HttpAddress | null = null;

  function createListener(serve: Route): Server {
    const onRequest = inTurn(serve);
    const { headerBytesMax, requestReceiveMs } = deps.settings;
    const server = createNodeServer(
      {
        maxHeaderSize: headerBytesMax,
        headersTimeout: requestReceiveMs,
        requestTimeout: requestReceiveMs,
        connectionsCheckingInterval: Math.min(RECEIVE_CHECK_MS, requestReceiveMs),
        keepAliveTimeout: KEEP_ALIVE_MS,
        noDelay: true,
        // A missing Host is refused by the pipeline, in the surface's own form.
        requireHostHeader: false,
        shouldUpgradeCallback: isHandshake,
      },
      onRequest,
    );
    server.maxRequestsPerSocket = 0;
    // Node's own answer to an unknown expectation is an empty 417; RFC 9110, 10.1.1, lets a server serve it all the same.
    server.on('checkExpectation', onRequest);
    server.on('checkContinue', asking(onRequest));
    server.on('clientError', (error, socket) => answerClientError(error, socket, connections, deps));
    connections.addServer(server);
    sockets.serve(server);
    return server;
  }

  return {
    get address() {
      return address;
    },
    async listen({ host, port }) {
      await app.ready();
      const server = createListener(route);
      await listening(server, () => server.listen({ host, port, backlog: BACKLOG }));
      return (address = addressOf(server));
    },
    async listenSocket(path) {
      await app.ready();
      const server = createListener((incoming, outgoing) => {
        pipeline.markLocal(incoming);
        route(incoming, outgoing);
      });
      await listening(server, () => bindLocalSocket(server, path));
    },
    inject: app.inject.bind(app),
    beginDrain() {
      pipeline.beginDrain();
      connections.beginDrain();
    },
    async close(graceMs) {
      pipeline.beginDrain();
      await connections.close(graceMs);
      await app.close();
    },
  };
}

type Route = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

interface Router {
  readonly app: FastifyInstance;
  /** Most requests ask for one of a few addresses without parameters: they are found at once, the framework finds the rest. */
  readonly route: Route;
}

function createRouter(pipeline: Pipeline): Router {
  const fixed = new Map<string, Route>();
  const app = fastify({
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: PATH_PART_CHARS_MAX },
    frameworkErrors: (error, request, reply) =>
      pipeline.fail(pipeline.begin(request.raw, reply.raw, 'unmatched'), error),
  });
  // Bodies are read by the pipeline, after the caller is known.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setErrorHandler((error, request, reply) => {
    reply.hijack();
    pipeline.fail(pipeline.begin(request.raw, reply.raw, request.routeOptions.url ?? 'unmatched'), error);
  });
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    pipeline.refuseUnmatched(request.raw, reply.raw);
  });
  for (const operation of operations) {
    const serve = pipeline.serve(operation);
    if (!operation.path.includes('{'))
      fixed.set(`${operation.method} ${operation.path}`, (incoming, outgoing) =>
        serve(incoming, outgoing, { params: {}, query: {}, body: undefined }),
      );
    app.route({
      method: operation.method,
      url: routerPath(operation.path),
      handler: (request, reply) => {
        reply.hijack();
        const params = pathParams(operation.path, request.params);
        serve(request.raw, reply.raw, { params, query: request.query, body: undefined });
      },
    });
  }
  return {
    app,
    route(incoming, outgoing) {
      const serve = fixed.get(`${incoming.method} ${incoming.url}`);
      if (serve === undefined) app.routing(incoming, outgoing);
      else serve(incoming, outgoing);
    },
  };
}

function addressOf(server: Server): HttpAddress {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new InvariantError('a TCP server has no TCP address');
  const { address: host, port, family } = bound;
  return { host, port, url: `http://${family === 'IPv6' ? `[${host}]` : host}:${port}` };
}

/**
 * For requests that wait with their body until they are asked for it. Node would ask before anybody knows whether it is wanted: who has no
 * key, or too much, need not send it.
 */
function asking(serve: Route): Route {
  return (incoming, outgoing) => {
    incoming.once('resume', () => {
      // After an answer the rest is read, too, and forgotten.
      if (!outgoing.headersSent) outgoing.writeContinue();
    });
    serve(incoming, outgoing);
  };
}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    start();
  });
}

/** A request too broken or too slow for a handler; where one reads its body already, that one answers. */
function answerClientError(
  thrown: Error,
  socket: Duplex,
  connections: Connections,
  { clock, logger }: Pick<HttpDeps, 'clock' | 'logger'>,
): void {
  const error = translateClientError(thrown);
  const context = connections.requestOn(socket);
  if (context !== undefined && !context.incoming.complete) {
    context.outgoing.shouldKeepAlive = false;
    context.abort(error);
    return;
  }
  const refusal = connections.refusalOn(socket);
  if (refusal !== undefined) {
    // What was not looked at is not judged: it is sent away as it would have been, and its connection ends.
    refusal.shouldKeepAlive = false;
    return;
  }
  if (context !== undefined || !socket.writable) {
    // An answer is on its way and the bytes after its request are no request: it ends the connection.
    if (context === undefined) socket.destroy();
    else context.outgoing.shouldKeepAlive = false;
    return;
  }
  const requestId = newId('req', clock.wallMs());
  logger.info('request-unreadable', { request: requestId, error: error.code });
  const { status, headers, body } = renderError(error, 'hub', { requestId, runId: null });
  const fields = {
    ...headers,
    'x-request-id': requestId,
    connection: 'close',
    'content-length': String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}
