/**
 * The open connections of one hub and how they end. The order loses no request, as measured behind nginx: first only the
 * listening sockets close, so that a balancer's next connect is refused and retried elsewhere; every later response says
 * `Connection: close`; connections that stay idle are closed after a while, not at once, because a balancer may just be
 * writing a POST on one; WebSockets are sent away one after the other, because all at once would wait for each other where
 * they come back; what is left at the deadline is told so and destroyed.
 */
import type { Server as HttpServer, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock';
import { onNextTurn } from '#core/clock';
import type { HubError } from '#core/errors';
import { UnavailableError } from '#core/errors';
import { Slots } from '#core/slots';
import type { RequestContext } from './request-context.ts';

/** Over the 4 s after which a balancer gives up its own idle connections (docs/operations.md). */
const IDLE_MS = 5_000;
const SWEEP_MS = 1_000;
/** In which all WebSockets are told to go; a thousand a second at most. */
const UPGRADED_MS = 1_000;
/** A turn of the event loop that took no longer has left no time for connections to queue. */
const QUIET_TURN_MS = 5;
/** The longest that a listening socket stays open for a quiet turn. */
const QUEUE_MS = 1_000;
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
  readonly #inFlight = new Slots<RequestContext>();
  /** Requests that are sent away and not answered yet. */
  readonly #refusals = new Map<Duplex, ServerResponse>();
  /** WebSockets; each ends itself. */
  readonly #upgraded = new Map<Socket, Upgraded>();
  /** Since when a connection is idle; only while draining. */
  readonly #idleSince = new Map<Socket, number>();
  #onChange: (() => void) | null = null;
  #accepted = 0;
  #draining = false;
  #listening = true;

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
      this.#accepted++;
      this.#sockets.add(socket);
      if (this.#draining) this.#idleSince.set(socket, this.#clock.now());
      socket.once('close', () => this.#forget(socket));
    });
  }

  begin(context: RequestContext): void {
    const place = this.#inFlight.add(context);
    if (this.#draining) sayClose(context);
    context.onEnd(() => {
      this.#inFlight.leave(place);
      this.#answered(context.incoming.socket);
    });
  }

  /** The request that came on the socket is sent away, soon. */
  beginRefusal(socket: Socket, outgoing: ServerResponse): void {
    this.#refusals.set(socket, outgoing);
    outgoing.once('close', () => {
      // Another may have come behind it.
      if (this.#refusals.get(socket) === outgoing) this.#refusals.delete(socket);
      this.#answered(socket);
    });
  }

  /** What the request on the socket is sent away with. */
  refusalOn(socket: Duplex): ServerResponse | undefined {
    return this.#refusals.get(socket);
  }

  /** The request that the socket is in the middle of. */
  requestOn(socket: Duplex): RequestContext | undefined {
    for (const context of this.#inFlight) if (context.incoming.socket === socket) return context;
    return undefined;
  }

  beginDrain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#closeListeners();
    for (const context of this.#inFlight) sayClose(context);
    this.#sendAway(this.#upgraded.values(), UPGRADED_MS / this.#upgraded.size);
    const since = this.#clock.now();
    for (const socket of this.#sockets) this.#idleSince.set(socket, since);
    this.#sweepLater();
  }

  /** Resolves when no connection is left; after `graceMs` ends requests with `draining`, and then closes the rest. */
  async close(graceMs: number): Promise<void> {
    this.beginDrain();
    await this.#until(() => this.#isGone(), graceMs);
    const reason = new UnavailableError('draining', 'This instance is shutting down and could not wait any longer.');
    for (const context of this.#inFlight) context.abort(reason);
    for (const each of this.#upgraded.values()) each.abort(reason);
    const isSaid = (): boolean => this.#inFlight.size + this.#refusals.size + this.#upgraded.size === 0;
    await this.#until(isSaid, LAST_WORDS_MS);
    for (const socket of this.#sockets) socket.destroySoon();
    await this.#until(() => this.#isGone(), LAST_WORDS_MS);
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

  /**
   * The system makes connections by itself and queues them; Node takes one a turn. What still waits when the socket closes is
   * reset, and a POST in it is lost, so it closes after a turn that took none and was too short for more to come.
   */
  #closeListeners(): void {
    const giveUpAt = this.#clock.now() + QUEUE_MS;
    const look = (accepted: number, since: number): void => {
      const now = this.#clock.now();
      const quiet = accepted === this.#accepted && now - since <= QUIET_TURN_MS;
      if (!quiet && now < giveUpAt) {
        const soFar = this.#accepted;
        onNextTurn(() => look(soFar, now));
        return;
      }
      // `http.Server.close` would close idle connections at once: requests on their way over them would be lost.
      for (const server of this.#servers) NetServer.prototype.close.call(server);
      this.#listening = false;
      this.#onChange?.();
    };
    // The turn that is under way may have looked at the queue already.
    onNextTurn(() => look(-1, 0));
  }

  #isGone(): boolean {
    return !this.#listening && this.#sockets.size === 0;
  }

  /** One that ends meanwhile is passed over; one that came meanwhile was told already. */
  #sendAway(waiting: Iterator<Upgraded>, everyMs: number): void {
    const next = waiting.next();
    if (next.done === true) return;
    next.value.beginDrain();
    this.#clock.schedule(everyMs, () => this.#sendAway(waiting, everyMs));
  }

  #answered(socket: Socket): void {
    if (this.#draining) this.#idleSince.set(socket, this.#clock.now());
    this.#onChange?.();
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
        const isBusy = busy.has(socket) || this.#refusals.has(socket) || this.#upgraded.has(socket);
        if (!isBusy && this.#clock.now() - since >= IDLE_MS) socket.destroySoon();
      }
      if (!this.#isGone()) this.#sweepLater();
    });
  }
}

function sayClose(context: RequestContext): void {
  context.outgoing.shouldKeepAlive = false;
}
