/**
 * The events of one streamed completion, whatever the upstream's dialect. Reads the upstream only when the reader asks; ends where
 * the dialect says so or at a clean end of the body, and leaves to the gateway whether the answer was whole. `return()` destroys
 * the exchange.
 */
import { limits } from '#core/limits';
import type { ChatChunk } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import type { Exchange } from '#exchange/connections';
import { SseParser } from './sse.ts';

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };
const NOTHING: ChatChunk = { id: '', object: 'chat.completion.chunk', created: 0, model: '', choices: [] };
/**
 * An event that says nothing to the caller, as Anthropic's `ping` and what it asks its own tools. It shows that the upstream is at work,
 * which may be silent for minutes otherwise while it writes one long argument.
 */
const LIFE: ProviderEvent = { chunk: NOTHING, data: JSON.stringify(NOTHING), hidden: true };

/**
 * What one server-sent event means: the chunks it stands for, which may be none, or `end` where the upstream says that it is done. Throws
 * `UpstreamFailure`: `reported` for an error event, `malformed` for what the protocol does not know. One reader a stream; it may keep
 * what the stream said so far.
 */
export type Dialect = (data: string) => ProviderEvent | readonly ProviderEvent[] | 'end';

export class UpstreamEvents implements AsyncIterableIterator<ProviderEvent> {
  readonly #exchange: Exchange;
  readonly #dialect: Dialect;
  readonly #parser = new SseParser(limits.eventBytesMax);
  #texts: string[] = [];
  #next = 0;
  /** What the last text stood for beyond its first chunk. */
  #more: ProviderEvent[] = [];
  #bodyEnded = false;
  #finished = false;

  constructor(exchange: Exchange, dialect: Dialect) {
    this.#exchange = exchange;
    this.#dialect = dialect;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ProviderEvent, undefined>> {
    while (!this.#finished) {
      const kept = this.#more.shift();
      if (kept !== undefined) return { done: false, value: kept };
      const text = this.#texts[this.#next];
      if (text === undefined) {
        if (this.#bodyEnded) this.#finished = true;
        else await this.#readMore();
        continue;
      }
      this.#next++;
      const event = text === '' ? undefined : this.#read(text);
      if (event !== undefined) return { done: false, value: event };
    }
    return END;
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#finished = true;
    this.#exchange.destroy();
    return Promise.resolve(END);
  }

  async #readMore(): Promise<void> {
    try {
      const bytes = await this.#exchange.read();
      this.#bodyEnded = bytes === null;
      this.#texts = bytes === null ? this.#parser.end() : this.#parser.push(bytes);
      this.#next = 0;
    } catch (error) {
      this.#finished = true;
      this.#exchange.destroy();
      throw error;
    }
  }

  #read(text: string): ProviderEvent | undefined {
    try {
      const meant = this.#dialect(text);
      if (meant === 'end') {
        this.#finished = true;
        this.#exchange.release();
        return undefined;
      }
      if (!isList(meant)) return meant;
      this.#more = meant.slice(1);
      return meant[0] ?? LIFE;
    } catch (error) {
      this.#finished = true;
      this.#exchange.destroy();
      // The body ended in the middle of this event: it was cut, whatever its beginning looks like.
      if (this.#bodyEnded && error instanceof UpstreamFailure && error.kind === 'malformed') {
        throw new UpstreamFailure('cut', 'The upstream ended its stream in the middle of an event.', { cause: error });
      }
      throw error;
    }
  }
}

function isList(meant: ProviderEvent | readonly ProviderEvent[]): meant is readonly ProviderEvent[] {
  return Array.isArray(meant);
}
