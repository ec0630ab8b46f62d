/**
 * One server-sent event stream to one caller. Promises: no event is written faster than the caller reads, an idle stream sends
 * a comment every 10 s (proxies close what is silent), `[DONE]` (or what the surface has for it) follows a whole answer only, and what fails after the first
 * byte ends with an error event. Never compressed, never buffered by a proxy that honours `X-Accel-Buffering`.
 */
import type { Clock, Timer } from '#core/clock';
import type { HubError } from '#core/errors';
import { renderErrorEvent } from './errors/render.ts';
import type { RequestContext } from './request-context.ts';
import { drained, untilTaken } from './waiting.ts';

/** Load balancers and proxies commonly close a connection after 30 to 60 s without a byte. */
const KEEP_ALIVE_MS = 10_000;

const DONE = 'data: [DONE]\n\n';

export class SseResponse {
  readonly #context: RequestContext;
  readonly #clock: Clock;
  readonly #earlyHeaders: Record<string, string>;
  #timer: Timer;
  #lastByteAt: number;
  #blocked = false;

  /** From now on a comment keeps the caller; the first commits status 200 with `earlyHeaders`. */
  constructor(context: RequestContext, clock: Clock, earlyHeaders: Record<string, string>) {
    this.#context = context;
    this.#clock = clock;
    this.#earlyHeaders = earlyHeaders;
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
  }

  /** Resolves when the caller took enough of it; rejects with the signal's reason when the caller leaves. */
  async send(data: string, event?: string): Promise<void> {
    // A line end inside JSON text is only ever white space.
    const line = data.includes('\n') || data.includes('\r') ? data.replace(/[\r\n]+/g, ' ') : data;
    this.#lastByteAt = this.#clock.now();
    const text = event === undefined ? `data: ${line}\n\n` : `event: ${event}\ndata: ${line}\n\n`;
    this.#context.recording?.write(text);
    if (!this.#context.outgoing.write(text)) await this.#drained();
  }

  /** After the last event of a whole answer. */
  finish(): void {
    this.#timer.cancel();
    const { outgoing, recording } = this.#context;
    // Anthropic's last event says itself that it is the last.
    const last = this.#context.surface === 'anthropic' ? '' : DONE;
    recording?.write(last);
    recording?.end();
    outgoing.end(last);
    untilTaken(outgoing, this.#clock);
  }

  /** The honest end of a stream that has begun. */
  fail(error: HubError): void {
    this.#timer.cancel();
    const { outgoing, surface } = this.#context;
    const text = renderErrorEvent(error, surface, this.#context);
    outgoing.end(surface === 'openai' ? `data: ${text}\n\n` : `event: error\ndata: ${text}\n\n`);
    untilTaken(outgoing, this.#clock);
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
      if (!this.#blocked) this.#context.outgoing.write(': keep-alive\n\n');
    }
    this.#timer = this.#clock.schedule(nextMs, () => this.#keepAlive());
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
