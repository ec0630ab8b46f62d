/**
 * The door to `/ws/chat`: who may open a socket, and the count of what is open. What is refused is refused in HTTP, in the hub's
 * error form; an upgrade at any other path or to anything else never gets here and is an ordinary request.
 */
import { ServerResponse } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import { CallerError, LimitError } from '#core/errors';
import type { Admission } from '../admission.ts';
import type { Connections } from '../connections.ts';
import { callerOfKey, presentedKey } from '../guard.ts';
import type { Access } from '../guard.ts';
import type { HttpDeps } from '../pipeline.ts';
import type { RequestContext } from '../request-context.ts';
import { SOCKET_PATH, SUBPROTOCOL } from './protocol.ts';
import { createMessageReader } from './read-message.ts';
import type { Handshake, SocketDeps } from './socket.ts';
import { ChatSocket } from './socket.ts';

const KEY_PREFIX = 'bearer.';
/** What a cookie and a balancer's map take as it is. */
const ROUTE_VALUE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const FULL_RETRY_MS = 1_000;
/** What frames of a message have on average at least, where it has more than a few. */
const FRAME_BYTES = 4_096;
const FRAMES_MIN = 256;
const ACCESS = ['chat'] as const;

/** What the pipeline does for every request: it counts it, lets it in, and words its error. */
interface Door {
  isLocal(incoming: IncomingMessage): boolean;
  begin(incoming: IncomingMessage, outgoing: ServerResponse, route: string): RequestContext;
  turnedAway(incoming: IncomingMessage, outgoing: ServerResponse, route: string, admission: Admission): boolean;
  check(context: RequestContext, access: Access): void;
  admitRun(): void;
  fail(context: RequestContext, thrown: unknown): void;
}

interface SocketsParts {
  readonly deps: HttpDeps;
  readonly door: Door;
  readonly connections: Connections;
}

/** For `createServer`: whether the request is a handshake of ours; anything else that asks for an upgrade is served without. */
export function isHandshake({ method, url, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && url?.split('?', 1)[0] === SOCKET_PATH;
}

export class Sockets {
  readonly #parts: SocketsParts;
  readonly #ws: WebSocketServer;
  readonly #socketDeps: SocketDeps;
  #open = 0;
  #runs = 0;

  constructor(parts: SocketsParts) {
    this.#parts = parts;
    const { deps } = parts;
    const settings = deps.settings.webSocket;
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // A dictionary for each socket costs more memory than these short messages save on the wire.
      perMessageDeflate: false,
      // `answerPings` does it.
      autoPong: false,
      maxPayload: settings.messageBytesMax,
      // Each frame of a message costs a hundred bytes of memory besides its own, which may be one.
      maxFragments: Math.max(FRAMES_MIN, Math.ceil(settings.messageBytesMax / FRAME_BYTES)),
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    const { instance } = deps.settings;
    if (ROUTE_VALUE.test(instance)) {
      this.#ws.on('headers', (headers, incoming) => headers.push(routeCookie(instance, incoming)));
    }
    const { gateway, agents, clock, keys, keyless, logger, sockets: observer, tracing } = deps;
    this.#socketDeps = {
      gateway,
      agents,
      clock,
      keys,
      keyless,
      logger,
      observer,
      tracing,
      settings,
      read: createMessageReader(),
      takePlace: () => {
        parts.door.admitRun();
        return this.#runs < settings.runsInFlightMax && ++this.#runs > 0;
      },
      givePlace: () => void this.#runs--,
    };
  }

  serve(server: Server): void {
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
      // Until `ws` takes over, a connection that breaks is nobody's error.
      socket.on('error', () => socket.destroy());
      void this.#upgrade(incoming, socket, head);
    });
  }

  /** Never rejects. */
  async #upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { connections, door } = this.#parts;
    // A balancer puts an unanswered handshake to another instance; an answer would be the caller's.
    if (connections.draining) return void socket.destroy();
    const outgoing = new ServerResponse(incoming);
    outgoing.shouldKeepAlive = false;
    try {
      outgoing.assignSocket(socket);
    } catch {
      // It came behind a request that is not answered yet: the connection cannot be both, and whoever writes so is no client of ours.
      socket.destroy();
      return;
    }
    outgoing.once('finish', () => socket.destroySoon());
    if (door.turnedAway(incoming, outgoing, SOCKET_PATH, 'new')) return;
    const context = door.begin(incoming, outgoing, SOCKET_PATH);
    try {
      const handshake = await this.#admit(context);
      if (socket.destroyed) return;
      this.#requirePlace();
      outgoing.detachSocket(socket);
      this.#ws.handleUpgrade(incoming, socket, head, (opened) => this.#opened(opened, handshake, socket));
      context.switched();
    } catch (thrown) {
      door.fail(context, thrown);
    }
  }

  /** Throws what the handshake is refused with. */
  async #admit(context: RequestContext): Promise<Handshake> {
    const { deps, door } = this.#parts;
    const { incoming } = context;
    door.check(context, ACCESS);
    checkHandshake(incoming);
    const local = door.isLocal(incoming);
    const presented = presentedKey(incoming.headers) ?? offeredKey(incoming);
    if (!local && !deps.keyless() && presented !== null) await callerOfKey(presented, ACCESS, deps.keys);
    return { incoming, local, presented };
  }

  /** Just before it is taken: of many who wait for the look at their keys, each would find it free. */
  #requirePlace(): void {
    const { socketsMax } = this.#parts.deps.settings.webSocket;
    if (this.#open < socketsMax) return;
    const words = `This instance has ${socketsMax} sockets open, and no more.`;
    throw new LimitError('too_many_requests_in_flight', words, { retryAfterMs: FULL_RETRY_MS });
  }

  #opened(opened: WebSocket, handshake: Handshake, socket: Socket): void {
    this.#open++;
    opened.once('close', () => void this.#open--);
    this.#parts.connections.upgraded(socket, new ChatSocket(opened, handshake, this.#socketDeps));
  }
}

/** So that the balancer brings the client back here: what it asks about is here. */
function routeCookie(instance: string, { headers }: IncomingMessage): string {
  const secure = headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
  return `Set-Cookie: revoagent_route=${instance}; Path=/ws; HttpOnly; SameSite=Lax${secure}`;
}

/** A token of RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What `ws` would refuse in words of its own. */
function checkHandshake({ headers }: IncomingMessage): void {
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw new CallerError('bad_request', 'The header sec-websocket-key is missing or no 16 bytes in base64.');
  }
  if (headers['sec-websocket-version'] !== '13') {
    throw new CallerError('bad_request', 'The header sec-websocket-version must be 13.', {
      param: 'sec-websocket-version',
    });
  }
  const offered = offeredIn(headers);
  if (!offered.every((name) => TOKEN.test(name)) || new Set(offered).size < offered.length) {
    throw new CallerError(
      'bad_request',
      'The header sec-websocket-protocol must name subprotocols, each of them once.',
      {
        param: 'sec-websocket-protocol',
      },
    );
  }
  if (offered.length > 0 && !offered.includes(SUBPROTOCOL)) {
    throw new CallerError('bad_request', `The subprotocol of this path is ${SUBPROTOCOL}, and it was not offered.`);
  }
}

function offeredIn(headers: IncomingMessage['headers']): string[] {
  return headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
}

/** `Sec-WebSocket-Protocol: revoagent.v1, bearer.<key>`: the one header that a browser lets a page set. */
function offeredKey({ headers }: IncomingMessage): string | null {
  return (
    offeredIn(headers)
      .find((name) => name.startsWith(KEY_PREFIX))
      ?.slice(KEY_PREFIX.length) ?? null
  );
}
