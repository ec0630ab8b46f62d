/**
 * One open socket: who is on it, what runs on it, and how it ends. Messages are taken one after the other; each is checked against the
 * key again, so that a revoked one ends the socket at its next message. Each run ends in one `end` or `error`, or with the socket.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { Canceller } from '#core/cancel';
import type { CancelSignal } from '#core/cancel';
import type { Timer } from '#core/clock';
import { CallerError, HubError, LimitError, UnavailableError } from '#core/errors';
import { newId } from '#core/ids';
import type { Caller } from '#contract/gateway';
import { callerGone } from '#contract/gateway';
import type { Keys } from '#contract/keys';
import type { Logger } from '#contract/logger';
import type { SocketObserver } from '#contract/socket-observer';
import type { Tracing } from '#contract/tracing';
import { isRetryable, problem } from '../errors/render.ts';
import { translateError } from '../errors/translate.ts';
import { callerOfKey, localCaller } from '../guard.ts';
import { createTracer } from '../trace.ts';
import type { CloseKind } from './close-codes.ts';
import { closeCodes } from './close-codes.ts';
import { KeepAlive } from './keep-alive.ts';
import type { ClientMessage, HelloMessage, RunMessage } from './messages.ts';
import { Outbox } from './outbox.ts';
import type { ReadMessage } from './read-message.ts';
import { answerPings } from './pongs.ts';
import type { RunPorts } from './runs.ts';
import { runOf } from './runs.ts';
import type { WebSocketSettings } from './settings.ts';

export interface SocketDeps extends RunPorts {
  readonly keys: Keys;
  readonly keyless: () => boolean;
  readonly settings: WebSocketSettings;
  readonly observer: SocketObserver;
  readonly tracing: Tracing | undefined;
  readonly logger: Logger;
  readonly read: (bytes: Buffer) => ReadMessage;
  /** Takes a place among the runs of this instance; false where all are taken. Throws where it has too much to do. */
  readonly takePlace: () => boolean;
  readonly givePlace: () => void;
}

export interface Handshake {
  readonly incoming: IncomingMessage;
  readonly local: boolean;
  /** The key of the handshake, which was found good; null where there was none. */
  readonly presented: string | null;
}

interface Run {
  readonly controller: Canceller;
  runId: string | null;
}

/** Messages in a row that are none, before the socket is closed. */
const REFUSED_MAX = 10;
/** For the other side to take what was sent and to close too. */
const CLOSING_MS = 5_000;
/**
 * What may come before the key is known: `auth`, and what the system hands over with it of what a client sends right behind. Without it
 * anybody could fill the memory with messages that never end.
 */
const UNKNOWN_BYTES_MAX = 128 * 1024;
/** After which a client that was told to go finds another instance. They are told one after the other: it need not wait for them. */
const RECONNECT_MS = 100;
/** After which there may be a place again. */
const FULL_RETRY_MS = 1_000;

export class ChatSocket {
  readonly #socket: WebSocket;
  readonly #deps: SocketDeps;
  readonly #handshake: Handshake;
  readonly #outbox: Outbox;
  readonly #keepAlive: KeepAlive;
  readonly #trace: ReturnType<typeof createTracer>;
  readonly #runs = new Map<string, Run>();
  readonly #id: string;
  #presented: string | null;
  readonly #authTimer: Timer | null;
  readonly #onUnknownBytes: () => void;
  #closing: CloseKind | null = null;
  #closed = false;
  #draining = false;
  #refused = 0;
  #pending = 0;
  #handled: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket, handshake: Handshake, deps: SocketDeps) {
    this.#socket = socket;
    this.#handshake = handshake;
    this.#deps = deps;
    this.#presented = handshake.presented;
    this.#trace = createTracer(deps.tracing?.samples);
    const { clock, settings, observer } = deps;
    this.#id = newId('req', clock.wallMs());
    this.#outbox = new Outbox({
      socket,
      clock,
      ...settings,
      onSent: () => observer.message('sent'),
      onStalled: () => this.#close('stalled'),
    });
    this.#keepAlive = new KeepAlive({
      socket,
      clock,
      ...settings,
      busy: () => this.#runs.size > 0,
      blocked: () => this.#outbox.full,
      onDead: () => this.#close('timeout'),
    });
    answerPings(socket);
    socket.on('message', (data: Buffer, binary) => this.#receive(data, binary));
    socket.on('error', (error) => this.#protocolError(error));
    socket.once('close', (code) => this.#ended(code));
    observer.opened();
    const { socket: stream } = handshake.incoming;
    const bytesMax = stream.bytesRead + UNKNOWN_BYTES_MAX;
    this.#onUnknownBytes = () => {
      if (stream.bytesRead <= bytesMax || this.#closing !== null) return;
      this.#close('unauthenticated');
      // What it sends on is not even read.
      stream.destroySoon();
    };
    if (!this.#known) stream.on('data', this.#onUnknownBytes);
    this.#authTimer = this.#known
      ? null
      : clock.schedule(settings.authenticateMs, () => this.#close('unauthenticated'));
    this.#hello();
  }

  /** No new runs; closes with 1012 when those under way have ended. */
  beginDrain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#send({ type: 'draining', reconnectAfterMs: RECONNECT_MS, runs: [...this.#runs.keys()] });
    this.#closeWhenDrained();
  }

  /** Ends what still runs with this error, and then closes as `beginDrain` does. */
  abort(reason: HubError): void {
    this.beginDrain();
    for (const { controller } of this.#runs.values()) controller.abort(reason);
    this.#outbox.wake();
  }

  get #known(): boolean {
    return this.#trusted || this.#presented !== null;
  }

  get #trusted(): boolean {
    return this.#handshake.local || this.#deps.keyless();
  }

  #hello(): void {
    const { runsMax, messageBytesMax, queueBytesMax, authenticateMs, pingMs, idleMs, stalledMs } = this.#deps.settings;
    this.#send({
      type: 'hello',
      socketId: this.#id,
      authenticated: this.#known,
      draining: this.#draining,
      limits: { runsMax, messageBytesMax, queueBytesMax, authenticateMs, pingMs, idleMs, stalledMs },
    } satisfies HelloMessage);
  }

  /** Nothing more is read while a message is being handled: what already came waits in order. */
  #receive(data: Buffer, binary: boolean): void {
    if (this.#closing !== null) return;
    this.#deps.observer.message('received');
    this.#keepAlive.heard();
    if (binary) {
      this.#close('unsupported');
      return;
    }
    if (this.#pending++ === 0) this.#socket.pause();
    this.#handled = this.#handled
      .then(() => this.#handle(data))
      .catch((thrown: unknown) => this.#broken(thrown))
      .finally(() => {
        if (--this.#pending === 0 && !this.#closed) this.#socket.resume();
      });
  }

  async #handle(data: Buffer): Promise<void> {
    if (this.#closing !== null) return;
    let id: string | null = null;
    try {
      const given = this.#deps.read(data);
      // The id of a run under way is that run's own.
      id = given.id !== null && !this.#runs.has(given.id) ? given.id : null;
      const message = given.check();
      this.#refused = 0;
      await this.#act(message);
    } catch (thrown) {
      if (!(thrown instanceof HubError)) throw thrown;
      this.#fail(id, thrown, null);
      if (thrown.code === 'invalid_body' || thrown.code === 'unsupported_field') this.#refused++;
      if (this.#refused >= REFUSED_MAX) this.#close('refused');
      await this.#outbox.room();
    }
  }

  async #act(message: ClientMessage): Promise<void> {
    if (message.type === 'auth') {
      this.#presented = message.token;
      if ((await this.#caller(message)) !== null) this.#hello();
      return;
    }
    const caller = await this.#caller(message);
    if (this.#closing !== null) return;
    if (message.type === 'cancel') {
      this.#runs.get(message.id)?.controller.abort(callerGone);
      this.#outbox.wake();
    } else if (message.type === 'ping') {
      // Where much waits to be read, that shows that the hub lives.
      if (!this.#outbox.full) this.#send({ type: 'pong' });
    } else if (caller !== null) {
      this.#begin(message, caller);
      await this.#outbox.room();
    }
  }

  /** Null where the socket was closed for it, or where nobody can say now and the message begins no run. */
  async #caller({ type }: ClientMessage): Promise<Caller | null> {
    if (this.#trusted) return localCaller;
    try {
      const caller = await callerOfKey(this.#presented, ['chat'], this.#deps.keys);
      this.#authTimer?.cancel();
      this.#handshake.incoming.socket.off('data', this.#onUnknownBytes);
      return caller;
    } catch (thrown) {
      if (thrown instanceof CallerError) this.#close(thrown.code === 'forbidden' ? 'forbidden' : 'unauthenticated');
      else if (type === 'chat' || type === 'agent' || type === 'auth') throw thrown;
      return null;
    }
  }

  #begin(message: RunMessage, caller: Caller): void {
    const { settings, takePlace, observer } = this.#deps;
    const { id } = message;
    if (this.#runs.has(id)) {
      throw new CallerError('conflict', 'A run with this id is under way on this socket. Choose another.', {
        param: 'id',
      });
    }
    if (this.#draining) {
      throw new UnavailableError('draining', 'This instance is shutting down. Reconnect, and send it again.', {
        retryAfterMs: RECONNECT_MS,
      });
    }
    if (this.#runs.size >= settings.runsMax) throw full(`This socket has ${settings.runsMax} runs under way`);
    if (!takePlace()) throw full(`This instance has ${settings.runsInFlightMax} runs under way on sockets`);
    const run: Run = { controller: new Canceller(), runId: null };
    this.#runs.set(id, run);
    observer.runs(1);
    void this.#drive(message, run, caller).finally(() => {
      this.#runs.delete(id);
      this.#deps.givePlace();
      observer.runs(-1);
      this.#keepAlive.heard();
      this.#closeWhenDrained();
    });
  }

  /** Never rejects. */
  async #drive(message: RunMessage, run: Run, caller: Caller): Promise<void> {
    const { signal } = run.controller;
    const { clock, tracing } = this.#deps;
    const { traceparent, parentSpanId } = this.#trace(this.#handshake.incoming.headers.traceparent);
    const since = clock.now();
    let errorCode: string | null = null;
    const began = (runId: string): void => void (run.runId = runId);
    const texts = runOf(message, this.#deps, { caller, signal, traceparent, began });
    try {
      for (;;) {
        await this.#outbox.room(signal);
        signal.throwIfAborted();
        const next = await texts.next();
        this.#outbox.send(next.value);
        if (next.done === true) return;
      }
    } catch (thrown) {
      const error = errorOf(thrown, signal);
      errorCode = error.code;
      this.#fail(message.id, error, run.runId, thrown);
    } finally {
      const { type } = message;
      tracing?.messageFinished({ type, traceparent, parentSpanId, errorCode, durationMs: clock.now() - since });
      await texts.return('').catch((thrown: unknown) => this.#broken(thrown));
    }
  }

  #fail(id: string | null, error: HubError, runId: string | null, thrown: unknown = error): void {
    const { logger } = this.#deps;
    if (error.code === 'internal') logger.error('socket-run-failed', { socket: this.#id, run: runId ?? '' }, thrown);
    const { retryAfterMs } = error;
    this.#send({
      type: 'error',
      id,
      error: {
        ...problem(error, { requestId: this.#id, runId }),
        retryable: isRetryable(error),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)) }),
      },
    });
  }

  #send(message: object): void {
    this.#outbox.send(JSON.stringify(message));
  }

  #closeWhenDrained(): void {
    if (this.#draining && this.#runs.size === 0) this.#close('draining');
  }

  #broken(thrown: unknown): void {
    this.#deps.logger.error('socket-failed', { socket: this.#id }, thrown);
    this.#close('internal');
  }

  /** `ws` found it and closes with the right code by itself. */
  #protocolError(error: Error): void {
    const code = 'code' in error ? error.code : undefined;
    this.#closing ??=
      code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH'
        ? 'tooLarge'
        : code === 'WS_ERR_INVALID_UTF8'
          ? 'notUtf8'
          : code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS'
            ? 'refused'
            : 'protocol';
    this.#abandonRuns();
  }

  #close(kind: CloseKind): void {
    if (this.#closing !== null || this.#closed) return;
    this.#closing = kind;
    const { code } = closeCodes[kind];
    const reason = kind === 'draining' ? `draining: reconnect after ${RECONNECT_MS} ms` : kind;
    this.#socket.close(code, reason);
    // Whoever is paused would never see the other side's own close.
    this.#socket.resume();
    const timer = this.#deps.clock.schedule(CLOSING_MS, () => this.#socket.terminate());
    this.#socket.once('close', () => timer.cancel());
    this.#abandonRuns();
  }

  #abandonRuns(): void {
    for (const { controller } of this.#runs.values()) controller.abort(callerGone);
    this.#outbox.wake();
  }

  #ended(code: number): void {
    this.#closed = true;
    this.#authTimer?.cancel();
    this.#keepAlive.close();
    this.#abandonRuns();
    this.#outbox.close();
    const own = this.#closing === null ? code : closeCodes[this.#closing].code;
    this.#deps.observer.closed(KNOWN.has(own) ? String(own) : 'other');
    this.#deps.logger.info('socket-closed', { socket: this.#id, code: own });
  }
}

/** 1001: a page was left; 1005: closed without a code; 1006: the connection broke. */
const KNOWN: ReadonlySet<number> = new Set([...Object.values(closeCodes).map(({ code }) => code), 1001, 1005, 1006]);

function full(what: string): LimitError {
  return new LimitError('too_many_requests_in_flight', `${what}, and no more are taken. Wait until one ends.`, {
    retryAfterMs: FULL_RETRY_MS,
  });
}

function errorOf(thrown: unknown, signal: CancelSignal): HubError {
  if (!signal.aborted) return translateError(thrown);
  return signal.reason instanceof HubError ? signal.reason : new CallerError('cancelled', 'The caller cancelled it.');
}
