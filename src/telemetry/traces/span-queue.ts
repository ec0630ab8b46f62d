/**
 * Spans on their way to a collector: sent in batches behind the requests, one batch at a time, again while the collector is away. What
 * waits is bounded; a span that finds no room is dropped and counted, and nobody ever waits for one.
 */
import type { Clock, Timer } from '#core/clock';
import type { Logger } from '#contract/logger';
import type { SpanEnd } from '#contract/observer';
import type { OtlpSpan } from './otlp.ts';

/** `rejected`: spans that the collector would not have. `later`: nobody took them, they may be sent again. */
export type Sent =
  | { readonly kind: 'taken'; readonly rejected: number }
  | { readonly kind: 'later'; readonly afterMs: number };

export interface SpanQueueParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly spansMax: number;
  /** Must not throw, and must end soon after the signal. */
  readonly send: (spans: readonly OtlpSpan[], signal: AbortSignal) => Promise<Sent>;
  /** Each span's end, once. */
  readonly ended: (how: SpanEnd, count: number) => void;
}

const BATCH_SPANS = 512;
const BATCH_MS = 1_000;

export class SpanQueue {
  readonly #parts: SpanQueueParts;
  /** A span stays until it is taken. */
  #waiting: OtlpSpan[] = [];
  #timer: Timer | undefined;
  #sending: Promise<unknown> | undefined;
  #closing = false;
  readonly #given = new AbortController();

  constructor(parts: SpanQueueParts) {
    this.#parts = parts;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(span: OtlpSpan): void {
    if (this.#closing || this.#waiting.length >= this.#parts.spansMax) {
      this.#parts.ended('dropped', 1);
      return;
    }
    this.#waiting.push(span);
    if (this.#sending === undefined) this.#arm(BATCH_MS);
  }

  /** Sends what waits, for at most so long; what is left is dropped. Never rejects. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    this.#timer?.cancel();
    const limit = this.#parts.clock.schedule(withinMs, () => this.#given.abort(new Error('the hub is closing')));
    await this.#sending;
    while (this.#waiting.length > 0 && !this.#given.signal.aborted && (await this.#sendBatch()) === null);
    limit.cancel();
    const left = this.#waiting.length;
    if (left === 0) return;
    this.#waiting = [];
    this.#parts.ended('dropped', left);
    this.#parts.logger.warn('spans-lost', { count: left });
  }

  #arm(afterMs: number): void {
    if (this.#closing) return;
    this.#timer ??= this.#parts.clock.schedule(afterMs, () => {
      this.#timer = undefined;
      this.#sending = this.#sendBatch()
        .then((pauseMs) => {
          this.#sending = undefined;
          if (this.#waiting.length > 0) this.#arm(pauseMs ?? (this.#waiting.length >= BATCH_SPANS ? 0 : BATCH_MS));
        })
        .catch((error: unknown) => this.#parts.logger.error('span-queue-failed', {}, error));
    });
  }

  /** Null where the batch was taken; else after how long it may be sent again. */
  async #sendBatch(): Promise<number | null> {
    const batch = this.#waiting.slice(0, BATCH_SPANS);
    const sent = await this.#parts.send(batch, this.#given.signal);
    if (sent.kind === 'later') return Math.max(BATCH_MS, sent.afterMs);
    this.#waiting = this.#waiting.slice(batch.length);
    const rejected = Math.min(batch.length, sent.rejected);
    if (rejected < batch.length) this.#parts.ended('exported', batch.length - rejected);
    if (rejected > 0) this.#parts.ended('rejected', rejected);
    return null;
  }
}
