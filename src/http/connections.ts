/**
 * The open connections of one hub and how they end. The order loses no request, as measured behind nginx: first only the
 * listening sockets close, so that a balancer's next connect is refused and retried elsewhere; every later response says
 * `Connection: close`; connections that stay idle are closed after a while, not at once, because a balancer may just be
 * writing a POST on one; what is left at the deadline is told so and destroyed.
 */
import type { Server as HttpServer } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock';
import type { HubError } from '#core/errors';
import { UnavailableError } from '#core/errors';
import type { RequestContext } from './request-context.ts';

/** Over the 4 s after which a balancer gives up its own idle connections (docs/operations.md). */
const IDLE_MS = 5_000;
const SWEEP_MS = 1_000;
/** For the error events of streams that are ended at the deadline. */
const LAST_WORDS_MS = 1_000;

/** What a connection has become that carries requests no more. */
export interface Upgraded {
  /** Takes nothing new, and closes when what is under way has ended. */
  beginDrain(): void;
  /** Ends what is under way with this error, and closes. */
  abort(reason: HubError): void;
}

export class Connections {
  readonly #clock: Clock;
  readonly #servers = new Set<HttpServer>();
  readonly #sockets = new Set<Socket>();
  readonly #inFlight = new Set<RequestContext>();
  /** WebSockets; each ends itself. */
  readonly #upgraded = new Map<Socket, Upgraded>();
  /** Since when a connection is idle; only while draining. */
  readonly #idleSince = new Map<Socket, number>();
  #onChange: (() => void) | null = null;
  #draining = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get requestsInFlight(): number {
    return this.#inFlight.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** From now on the connection is this one's. */
  upgraded(socket: Socket, by: Upgraded): void {
    if (!this.#sockets.has(socket)) return;
    this.#upgraded.set(socket, by);
    if (this.#draining) by.beginDrain();
  }

  addServer(server: HttpServer): void {
    this.#servers.add(server);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#forget(socket));
    });
  }

  begin(context: RequestContext): void {
    this.#inFlight.add(context);
    if (this.#draining) sayClose(context);
    context.onEnd(() => {
      this.#inFlight.delete(context);
      if (this.#draining) this.#idleSince.set(context.incoming.socket, this.#clock.now());
      this.#onChange?.();
    });
  }

  /** The request that the socket is in the middle of. */
  requestOn(socket: Duplex): RequestContext | undefined {
    for (const context of this.#inFlight) if (context.incoming.socket === socket) return context;
    return undefined;
  }

  beginDrain(): void {
    if (this.#draining) return;
    this.#draining = true;
    // `http.Server.close` would close idle connections at once: requests on their way over them would be lost.
    for (const server of this.#servers) NetServer.prototype.close.call(server);
    for (const context of this.#inFlight) sayClose(context);
    for (const each of this.#upgraded.values()) each.beginDrain();
    const since = this.#clock.now();
    for (const socket of this.#sockets) this.#idleSince.set(socket, since);
    this.#sweepLater();
  }

  /** Resolves when no connection is left; after `graceMs` ends requests with `draining`, and then closes the rest. */
  async close(graceMs: number): Promise<void> {
    this.beginDrain();
    await this.#until(() => this.#sockets.size === 0, graceMs);
    const reason = new UnavailableError('draining', 'This instance is shutting down and could not wait any longer.');
    for (const context of this.#inFlight) context.abort(reason);
    for (const each of this.#upgraded.values()) each.abort(reason);
    await this.#until(() => this.#inFlight.size === 0 && this.#upgraded.size === 0, LAST_WORDS_MS);
    for (const socket of this.#sockets) socket.destroySoon();
    await this.#until(() => this.#sockets.size === 0, LAST_WORDS_MS);
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when `done` holds, which is looked at whenever a request or a connection ends, or after `waitMs`. */
  async #until(done: () => boolean, waitMs: number): Promise<void> {
    if (done() || waitMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.schedule(waitMs, resolve);
      this.#onChange = () => {
        if (!done()) return;
        timer.cancel();
        resolve();
      };
    });
    this.#onChange = null;
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#upgraded.delete(socket);
    this.#idleSince.delete(socket);
    this.#onChange?.();
  }

  #sweepLater(): void {
    this.#clock.schedule(SWEEP_MS, () => {
      const busy = new Set([...this.#inFlight].map((context) => context.incoming.socket));
      for (const [socket, since] of this.#idleSince) {
        if (!busy.has(socket) && !this.#upgraded.has(socket) && this.#clock.now() - since >= IDLE_MS)
          socket.destroySoon();
      }
      if (this.#sockets.size > 0) this.#sweepLater();
    });
  }
}

function sayClose(context: RequestContext): void {
  context.outgoing.shouldKeepAlive = false;
}
