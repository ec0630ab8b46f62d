/**
 * One server-sent event stream to one caller. Promises: no event is written faster than the caller reads, an idle stream sends
 * a comment every 10 s (proxies close what is silent), `[DONE]` (or what the surface has for it) follows a whole answer only, and what fails after the first
 * byte ends with an error event. Never compressed, never buffered by a proxy that honours `X-Accel-Buffering`.
 */
import type { Clock, Timer } from '#core/clock';
import type { HubError } from '#core/errors';
import { atTurnEnd } from '#core/turn-end';
import { renderErrorEvent } from './errors/render.ts';
import type { RequestContext } from './request-context.ts';
import { drained, untilTaken } from './waiting.ts';

/** Load balancers and proxies commonly close a connection after 30 to 60 s without a byte. */
const KEEP_ALIVE_MS = 10_000;

/** The data of one event, where the surface names its events with the name. */
export type StreamEvent = string | { readonly event: string; readonly data: string };

const DONE = 'data: [DONE]\n\n';

/** What one turn of the event loop brings is written at once, up to so much. */
const PENDING_CHARS_MAX = 16 * 1024;
const taken = Promise.resolve();

export class SseResponse {
  readonly #context: RequestContext;
  readonly #clock: Clock;
  readonly #earlyHeaders: Record<string, string>;
  readonly #failed: ((error: HubError) => readonly StreamEvent[]) | undefined;
  #timer: Timer;
  #lastByteAt: number;
  #blocked = false;
  /** Events of this turn: a packet of an upstream often holds several. */
  #pending = '';
  /** Whether chunks are framed here: Node hands a chunk to the socket in four pieces, which costs three times as much as one. */
  #frames = false;

  /**
   * From now on a comment keeps the caller; the first commits status 200 with `earlyHeaders`. `failed`: of a form that has last events of its
   * own, for good as for bad, where others have their surface's.
   */
  constructor(
    context: RequestContext,
    clock: Clock,
    earlyHeaders: Record<string, string>,
    failed?: (error: HubError) => readonly StreamEvent[],
  ) {
    this.#context = context;
    this.#clock = clock;
    this.#earlyHeaders = earlyHeaders;
    this.#failed = failed;
    this.#lastByteAt = clock.now();
    this.#timer = clock.schedule(KEEP_ALIVE_MS, () => this.#keepAlive());
  }

  /** Status 200 is sent, or will be with the first event: an error can only be an event now. */
  get committed(): boolean {
    return this.#context.outgoing.headersSent;
  }

  commit(headers: Record<string, string>): void {
    if (this.committed) return;
    const { outgoing, headers: common } = this.#context;
    const all = {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    };
    this.#context.recording?.head(200, all);
    outgoing.writeHead(200, { ...common, ...all });
    this.#frames = outgoing.chunkedEncoding;
    outgoing.chunkedEncoding = false;
  }

  /** Resolves when the caller took enough of it; rejects with the signal's reason when the caller leaves. */
  send(event: StreamEvent): Promise<void> {
    this.#lastByteAt = this.#clock.now();
    const text = lines(event);
    this.#context.recording?.write(text);
    const isFirst = this.#pending === '';
    this.#pending += text;
    if (isFirst) atTurnEnd(this.#flush);
    if (this.#pending.length >= PENDING_CHARS_MAX) this.#flush();
    return this.#context.outgoing.writableNeedDrain ? this.#drained() : taken;
  }

  /** After the last event of a whole answer. */
  finish(): void {
    this.#timer.cancel();
    const { recording } = this.#context;
    // The last event of these says itself that it is the last.
    const last = this.#context.surface === 'anthropic' || this.#failed !== undefined ? '' : DONE;
    recording?.write(last);
    recording?.end();
    this.#end(last);
  }

  /** The honest end of a stream that has begun. */
  fail(error: HubError): void {
    this.#timer.cancel();
    const { surface } = this.#context;
    if (this.#failed !== undefined) return this.#end(this.#failed(error).map(lines).join(''));
    const data = renderErrorEvent(error, surface, this.#context);
    this.#end(lines(surface === 'openai' ? data : { event: 'error', data }));
  }

  /** Before an answer of another form, or when the caller left. */
  abandon(): void {
    this.#timer.cancel();
  }

  #keepAlive(): void {
    const silentMs = this.#clock.now() - this.#lastByteAt;
    let nextMs = KEEP_ALIVE_MS - silentMs;
    if (nextMs <= 0) {
      nextMs = KEEP_ALIVE_MS;
      this.#lastByteAt = this.#clock.now();
      this.commit(this.#earlyHeaders);
      if (!this.#blocked) {
        this.#pending += ': keep-alive\n\n';
        this.#flush();
      }
    }
    this.#timer = this.#clock.schedule(nextMs, () => this.#keepAlive());
  }

  readonly #flush = (): void => {
    const { outgoing } = this.#context;
    const text = this.#pending;
    this.#pending = '';
    if (text === '' || outgoing.destroyed) return;
    outgoing.write(this.#frames ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text);
  };

  #end(last: string): void {
    const { outgoing } = this.#context;
    outgoing.chunkedEncoding = this.#frames;
    outgoing.end(this.#pending + last);
    this.#pending = '';
    untilTaken(outgoing, this.#clock);
  }

  async #drained(): Promise<void> {
    this.#blocked = true;
    try {
      await drained(this.#context, this.#clock);
    } finally {
      this.#blocked = false;
    }
  }
}

function lines(event: StreamEvent): string {
  if (typeof event !== 'string') return `event: ${event.event}\n${lines(event.data)}`;
  // A line end inside JSON text is only ever white space.
  const data = event.includes('\n') || event.includes('\r') ? event.replace(/[\r\n]+/g, ' ') : event;
  return `data: ${data}\n\n`;
}
