/**
 * One HTTP exchange with an upstream, on undici's lowest level: no stream object, no redirect, no retry, no timer of its own.
 * The reader's pace is the upstream's pace: beyond a small buffer the socket is paused. An abort destroys the exchange in every
 * phase, and nothing is left behind: one listener on the signal, removed when the exchange ends.
 */
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { IncomingHttpHeaders } from 'node:http';
import type { LookupFunction } from 'node:net';
import type { CancelSignal } from '#core/cancel';
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import { atTurnEnd } from '#core/turn-end';
import { UpstreamFailure } from '#contract/provider';
import { foldedHeaders } from './folded-headers.ts';

/** Bytes that may wait for the reader before the socket is paused. */
const BUFFER_BYTES_MAX = 64 * 1024;
/** How long an upstream may take to end a body whose content is complete, before its connection is given up. */
const RELEASE_MS = 1_000;
/** Longer than any connect timer that makes sense, so that the gateway's timer decides. */
const CONNECT_MS = 60_000;

export interface ExchangeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: string | Uint8Array | null;
  readonly signal: CancelSignal;
  readonly onConnected?: () => void;
}

export interface Connections {
  /**
   * Resolves when the response's headers are there. Throws `UpstreamFailure` or the signal's reason; for one that is aborted while it waits
   * for another to end, the failure `crowded`, because the upstream was not even asked.
   */
  open(request: ExchangeRequest): Promise<Exchange>;
  close(): Promise<void>;
}

/**
 * Keeps connections to one origin; at most `connectionsMax` at a time, requests beyond that wait for one. `lookup` resolves the
 * origin's name for every new connection in place of the system's; it is not asked about an origin that is an address.
 */
export function createConnections(
  origin: string,
  connectionsMax: number,
  clock: Clock,
  lookup?: LookupFunction,
): Connections {
  const pool = new Pool(origin, {
    connections: connectionsMax,
    connectTimeout: CONNECT_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    allowH2: false,
    ...(lookup === undefined ? {} : { connect: { lookup } }),
  });
  const isFull = (): boolean => pool.stats.running >= connectionsMax;
  return {
    open(request) {
      const exchange = new Exchange(request, clock, isFull);
      const { path, method, headers, body } = request;
      atTurnEnd(() => {
        if (!exchange.ended) pool.dispatch({ path, method, headers, body }, exchange);
      });
      return exchange.opened;
    },
    // Not `close()`: that waits for exchanges which nobody reads any more.
    close: () => pool.destroy(),
  };
}

/** What the one reader of an exchange waits with. */
interface Reader {
  resolve(bytes: Buffer | null): void;
  reject(reason: unknown): void;
}

export class Exchange implements Dispatcher.DispatchHandler {
  status = 0;
  headers: IncomingHttpHeaders = {};
  readonly #clock: Clock;
  readonly #signal: CancelSignal;
  readonly #onConnected: (() => void) | undefined;
  readonly #isFull: () => boolean;
  readonly #onAbort = (): void =>
    this.#fail(this.#phase === 'waiting' && this.#isFull() ? crowded() : this.#signal.reason);
  readonly #opened = Promise.withResolvers<Exchange>();
  #controller: Dispatcher.DispatchController | undefined;
  #phase: 'waiting' | 'sent' | 'answered' | 'ended' | 'failed' = 'waiting';
  #failure: unknown;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #reader: Reader | undefined;
  #discarding = false;
  #releaseTimer: Timer | undefined;

  /** `isFull`: whether every connection has an exchange on it. */
  constructor(request: ExchangeRequest, clock: Clock, isFull: () => boolean) {
    this.#clock = clock;
    this.#isFull = isFull;
    this.#signal = request.signal;
    this.#onConnected = request.onConnected;
    if (request.signal.aborted) this.#fail(request.signal.reason);
    else request.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Resolves when the response's headers are there. */
  get opened(): Promise<Exchange> {
    return this.#opened.promise;
  }

  /** Nothing more will arrive. */
  get ended(): boolean {
    return this.#phase === 'ended' || this.#phase === 'failed';
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while it waited for a connection: nothing has been sent, and nothing will be.
    if (this.ended) {
      controller.abort(new Error('given up'));
      return;
    }
    this.#phase = 'sent';
    this.#onConnected?.();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.ended) return;
    this.#phase = 'answered';
    this.status = status;
    this.headers = foldedHeaders(headers);
    this.#opened.resolve(this);
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.ended || this.#discarding) return;
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve(bytes);
      return;
    }
    this.#chunks.push(bytes);
    this.#bufferedBytes += bytes.length;
    if (this.#bufferedBytes > BUFFER_BYTES_MAX) controller.pause();
  }

  onResponseEnd(): void {
    if (this.ended) return;
    this.#phase = 'ended';
    this.#leave();
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.ended) return;
    if (this.#phase === 'waiting') {
      this.#fail(
        new UpstreamFailure('unreachable', `No connection to the upstream: ${reasonOf(error)}.`, { cause: error }),
      );
    } else if (this.#phase === 'sent') {
      const message = `The upstream ended the connection before it answered: ${reasonOf(error)}.`;
      this.#fail(new UpstreamFailure('reset', message, { cause: error }));
    } else {
      const message = `The upstream's answer ended before it was whole: ${reasonOf(error)}.`;
      this.#fail(new UpstreamFailure('cut', message, { status: this.status, cause: error }));
    }
  }

  /** The next bytes of the body, null after its end. One reader at a time. What arrived before a failure is read before it. */
  read(): Promise<Buffer | null> {
    const bytes = this.#arrived();
    if (bytes !== undefined) return Promise.resolve(bytes);
    if (this.#phase === 'failed') return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** What a reader need not wait for: bytes, or null for the end. */
  #arrived(): Buffer | null | undefined {
    const bytes = this.#chunks.shift();
    if (bytes === undefined) return this.#phase === 'ended' ? null : undefined;
    const wasFull = this.#bufferedBytes > BUFFER_BYTES_MAX;
    this.#bufferedBytes -= bytes.length;
    if (wasFull && this.#bufferedBytes <= BUFFER_BYTES_MAX) this.#controller?.resume();
    return bytes;
  }

  /**
   * The whole body; at once where it has arrived, as a short one mostly has with its head. Throws `UpstreamFailure('oversize')` beyond
   * `bytesMax`, and destroys the exchange.
   */
  readAll(bytesMax: number): Buffer | Promise<Buffer> {
    const [only] = this.#chunks;
    if (this.#phase !== 'ended' || this.#chunks.length !== 1 || only === undefined || only.length > bytesMax)
      return this.#readOn(bytesMax);
    this.#chunks = [];
    return only;
  }

  async #readOn(bytesMax: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let byteCount = 0;
    for (let part = await this.read(); part !== null; part = await this.read()) {
      parts.push(part);
      byteCount += part.length;
      if (byteCount > bytesMax) {
        this.destroy();
        throw new UpstreamFailure('oversize', `The upstream's answer is larger than ${bytesMax} bytes.`, {
          status: this.status,
        });
      }
    }
    return Buffer.concat(parts, byteCount);
  }

  /** The first `bytesMax` bytes of the body; the connection is given up where there are more. */
  async readSome(bytesMax: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let byteCount = 0;
    for (let part = await this.read(); part !== null; part = await this.read()) {
      parts.push(part);
      byteCount += part.length;
      if (byteCount >= bytesMax) {
        this.destroy();
        break;
      }
    }
    return Buffer.concat(parts, byteCount).subarray(0, bytesMax);
  }

  /** Nothing more of the body is needed: the connection is kept if the upstream ends the body soon. */
  release(): void {
    if (this.ended) return;
    this.#discarding = true;
    this.#chunks = [];
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#releaseTimer = this.#clock.schedule(RELEASE_MS, () => this.destroy());
    this.#controller?.resume();
  }

  destroy(): void {
    if (!this.ended) this.#fail(new Error('the reader has enough'));
  }

  #fail(reason: unknown): void {
    const { controller, phase } = { controller: this.#controller, phase: this.#phase };
    if (phase === 'ended' || phase === 'failed') return;
    this.#phase = 'failed';
    this.#failure = reason;
    this.#leave();
    // Bytes that came before a cut are still good; after an abort nobody wants them.
    if (!(reason instanceof UpstreamFailure)) this.#chunks = [];
    if (phase === 'answered') this.#reader?.reject(reason);
    else this.#opened.reject(reason);
    this.#reader = undefined;
    controller?.abort(reason instanceof Error ? reason : new Error('aborted'));
  }

  #leave(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#releaseTimer?.cancel();
  }
}

function crowded(): UpstreamFailure {
  return new UpstreamFailure('crowded', 'Every connection that the hub may have to the upstream stayed taken.');
}

/** The system's own code says more than undici's sentence, and never holds an address. */
function reasonOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') {
    if (error.code === 'UND_ERR_SOCKET') return 'the other side closed it';
    return error.code;
  }
  return messageOf(error).slice(0, 200);
}
