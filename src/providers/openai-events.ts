/**
 * The events of one streamed completion. Reads the upstream only when the reader asks; ends at `[DONE]` or at a clean end of the
 * body, and leaves to the gateway whether the answer was whole. `return()` destroys the exchange.
 */
import { limits } from '#core/limits';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import type { Exchange } from './exchange.ts';
import { parseChunk } from './openai-body.ts';
import { SseParser } from './sse.ts';

const DONE = '[DONE]';
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class OpenAiEvents implements AsyncIterableIterator<ProviderEvent> {
  readonly #exchange: Exchange;
  readonly #clean: <T>(read: () => T) => T;
  readonly #parser = new SseParser(limits.eventBytesMax);
  #texts: string[] = [];
  #next = 0;
  #bodyEnded = false;
  #finished = false;

  /** `clean` runs each read of an event, so that an error quotes no credentials. */
  constructor(exchange: Exchange, clean: <T>(read: () => T) => T) {
    this.#exchange = exchange;
    this.#clean = clean;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ProviderEvent, undefined>> {
    while (!this.#finished) {
      const text = this.#texts[this.#next];
      if (text === undefined) {
        if (this.#bodyEnded) this.#finished = true;
        else await this.#readMore();
        continue;
      }
      this.#next++;
      if (text === DONE) {
        this.#finished = true;
        this.#exchange.release();
      } else if (text !== '') {
        return { done: false, value: this.#event(text) };
      }
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

  #event(text: string): ProviderEvent {
    try {
      return this.#clean(() => parseChunk(text));
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
