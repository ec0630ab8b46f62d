/**
 * What the hub knows of one request from its first byte to the end of its response. Owns the abort signal that ends its work
 * when the caller leaves, and the one report to the observer, whichever way the request ends.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { bufferOf } from '#core/buffers';
import { Canceller } from '#core/cancel';
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import type { HubError } from '#core/errors';
import { newId } from '#core/ids';
import { atTurnEnd } from '#core/turn-end';
import type { Caller, Surface } from '#contract/gateway';
import { callerGone } from '#contract/gateway';
import type { Observer } from '#contract/observer';
import { presentations } from './errors/presentation.ts';
import type { Encoded } from './compression.ts';
import type { Trace } from './trace.ts';
import { sendAll, SLICE_BYTES, untilTaken } from './waiting.ts';

/** What a request id may be when the caller chooses it: printable, short, and harmless in a log and in a header. */
const REQUEST_ID = /^[A-Za-z0-9._:/+=-]{1,128}$/;

/** By which a request for a path that both vendors have is known for Anthropic's. */
export const ANTHROPIC_VERSION = 'anthropic-version';

/** For every answer; a page widens the policy to what it loads. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Beyond this, copying bytes into a text costs more than a second write. */
const ONE_WRITE_BYTES_MAX = 16 * 1024;

interface Parts {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** The route's template; `unmatched` for unknown paths. */
  readonly route: string;
  readonly trace: Trace;
  /** Came by the local socket, which only the hub's own user can open. */
  readonly local: boolean;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** Takes down an answer while it is sent: head, body in parts, and its end where it is whole. */
export interface AnswerRecording {
  head(status: number, headers: Readonly<Record<string, string>>): void;
  write(data: Uint8Array | string): void;
  end(): void;
  /** Nothing more comes. */
  close(): Promise<void>;
}

export class RequestContext {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly requestId: string;
  readonly trace: Trace;
  readonly route: string;
  readonly surface: Surface;
  readonly local: boolean;
  readonly receivedAt: number;
  /** For every response to this request; may be added to until it is sent. */
  readonly headers: Record<string, string>;
  /** Set once the caller is known; operations that ask for no key may run without. */
  caller: Caller | null = null;
  /** Set where a run begins. */
  runId: string | null = null;
  /** Set when the request failed, also after a stream had begun. */
  error: HubError | null = null;
  /** Set where the cache had the answer. */
  isFromCache = false;
  /** Set where the answer is to be kept for the caller's Idempotency-Key. */
  recording: AnswerRecording | null = null;
  /** Milliseconds spent waiting for upstreams, and for a slow reader of a stream. */
  waitedMs = 0;
  readonly #clock: Clock;
  readonly #observer: Observer;
  #controller: Canceller | null = null;
  #aborted: unknown = undefined;
  #onEnd: (() => void) | null = null;
  #switched = false;

  constructor({ incoming, outgoing, route, trace, local, clock, observer }: Parts) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.route = route;
    this.trace = trace;
    this.local = local;
    this.#clock = clock;
    this.#observer = observer;
    this.receivedAt = clock.now();
    this.surface = surfaceOf(incoming.url ?? '', incoming.headers);
    this.requestId = requestIdOf(incoming, clock);
    this.headers = { ...SECURITY_HEADERS, 'x-request-id': this.requestId, traceparent: trace.traceparent };
    // Where Anthropic's clients look for it.
    if (this.surface === 'anthropic') this.headers['request-id'] = this.requestId;
    observer.requestStarted();
    // Comes once, and `once` would make a function more for every request.
    outgoing.on('close', () => this.#end());
  }

  /** Aborted with `callerGone` when the connection closes before the response is whole, or with what `abort` was given. */
  get signal(): CancelSignal {
    if (this.#controller === null) {
      this.#controller = new Canceller();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /** The caller left, and nothing can be told any more. */
  get gone(): boolean {
    return this.#aborted === callerGone;
  }

  /** What `abort` was given; undefined while nothing was. */
  get abortedFor(): unknown {
    return this.#aborted;
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  /** The whole response at once; where `encoded` is given, its bytes are sent in place of the body's. `headers` beat `contentType`. */
  respond(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | string,
    { contentType, encoded = null }: { contentType?: string | undefined; encoded?: Encoded | null } = {},
  ): void {
    const { outgoing, recording } = this;
    if (outgoing.headersSent) return;
    // Also for a caller who has left: he will ask again.
    recording?.head(status, contentType === undefined ? headers : { 'content-type': contentType, ...headers });
    recording?.write(body);
    recording?.end();
    if (outgoing.destroyed) return;
    // What says "as you have it" has no bytes and no length of its own.
    const sent = status === 304 ? '' : (encoded?.bytes ?? body);
    const byteCount = Buffer.byteLength(sent);
    // Names and values in turn: an object of so many names is looked up by each of them once more.
    const head: string[] = [];
    for (const name in this.headers) if (!(name in headers)) head.push(name, this.headers[name] ?? '');
    if (contentType !== undefined && !('content-type' in headers)) head.push('content-type', contentType);
    const counted = status !== 304 && status !== 204;
    for (const name in headers) if (!counted || name !== 'content-length') head.push(name, headers[name] ?? '');
    if (encoded !== null) head.push('content-encoding', encoded.encoding);
    if (counted) head.push('content-length', String(byteCount));
    outgoing.writeHead(status, head);
    if (byteCount > SLICE_BYTES && this.incoming.method !== 'HEAD') {
      void sendAll(this, this.#clock, typeof sent === 'string' ? Buffer.from(sent) : sent);
      return;
    }
    atTurnEnd(() => {
      end(outgoing, sent, byteCount);
      untilTaken(outgoing, this.#clock);
    });
  }

  /** `callback` runs when the response is whole or the connection closed. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
  }

  /** The connection became a WebSocket: the request ends here, with status 101. */
  switched(): void {
    this.outgoing.statusCode = 101;
    this.#switched = true;
    this.#end();
  }

  #end(): void {
    const { outgoing } = this;
    const whole = this.#switched || outgoing.writableFinished;
    if (!whole) this.abort(callerGone);
    const durationMs = this.#clock.now() - this.receivedAt;
    const streamFailed = this.error !== null && outgoing.headersSent && outgoing.statusCode < 400;
    const status = whole ? outgoing.statusCode : presentations[this.error?.code ?? 'cancelled'].status;
    this.#observer.requestFinished({
      method: this.incoming.method ?? 'GET',
      route: this.route,
      status,
      durationMs,
      hubMs: Math.max(0, durationMs - this.waitedMs),
      streamFailed,
      requestId: this.requestId,
      runId: this.runId,
      ...this.trace,
      errorCode: this.error?.code ?? (whole ? null : 'cancelled'),
    });
    this.#onEnd?.();
    // Its place is another's from now on.
    this.#onEnd = null;
  }
}

/** Text goes out with the head in one write, bytes in a second one; as Latin-1 text they are the same bytes. ASCII is cheaper so. */
function end(outgoing: ServerResponse, sent: Uint8Array | string, byteCount: number): void {
  if (typeof sent === 'string') outgoing.end(sent, byteCount === sent.length ? 'latin1' : 'utf8');
  else if (sent.byteLength > ONE_WRITE_BYTES_MAX) outgoing.end(sent);
  else outgoing.end(bufferOf(sent).toString('latin1'), 'latin1');
}

/** The caller's own where it is one, or a new one. */
export function requestIdOf({ headers }: IncomingMessage, clock: Clock): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : newId('req', clock.wallMs());
}

/** `/v1/messages` speaks Anthropic's form, and models do to its clients; the rest of `/v1` speaks OpenAI's, everything else the hub's own. */
export function surfaceOf(url: string, headers: IncomingHttpHeaders): Surface {
  if (/^\/v1\/messages(?:[/?]|$)/.test(url)) return 'anthropic';
  // Both vendors have these; Anthropic's clients send their version with every request.
  if (headers[ANTHROPIC_VERSION] !== undefined && /^\/v1\/(?:models|files)(?:[/?]|$)/.test(url)) return 'anthropic';
  return url === '/v1' || url.startsWith('/v1/') || url.startsWith('/v1?') ? 'openai' : 'hub';
}
