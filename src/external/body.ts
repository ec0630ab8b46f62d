/**
 * The body of an answer on its way to the caller: pulled part by part, our credentials covered, errors in the hub's words, and the call
 * ended once, however its reader stops, and though he never begins. Not a generator: one that was never begun would end nothing.
 */
import type { Part } from './attempt.ts';
import type { MaskedStream } from './mask.ts';

interface Given {
  /** The call, its head already pulled; or a body that is there already. */
  readonly parts: AsyncIterator<Part> | Iterator<Part>;
  readonly mask: MaskedStream;
  readonly explain: (thrown: unknown) => unknown;
  /** The call is over; may be told so more than once. */
  readonly ended: () => void;
  /** Its abort ends the call: a suspended generator hears of none, and would hold its place until somebody reads. */
  readonly signal: AbortSignal | undefined;
}

export class AnswerBody implements AsyncIterableIterator<Uint8Array> {
  readonly #given: Given;
  #over = false;

  constructor(given: Given) {
    this.#given = given;
    const { signal } = given;
    if (signal?.aborted === true) this.#end();
    else signal?.addEventListener('abort', () => this.#end(), { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { parts, mask, explain, ended, signal } = this.#given;
    try {
      while (!this.#over) {
        const part = await parts.next();
        this.#over = part.done === true;
        if (this.#over) {
          ended();
          // Ended before this part was asked for: not whole.
          signal?.throwIfAborted();
        }
        const bytes = Buffer.isBuffer(part.value) ? mask.push(part.value) : mask.end();
        if (bytes.length > 0) return { done: false, value: bytes };
      }
      return { done: true, value: undefined };
    } catch (thrown) {
      this.#over = true;
      ended();
      throw explain(thrown);
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#over = true;
    try {
      await this.#given.parts.return?.();
    } finally {
      this.#given.ended();
    }
    return { done: true, value: undefined };
  }

  /** The reader, if there is one, hears why when he asks for more. */
  #end(): void {
    void this.#given.parts.return?.();
    this.#given.ended();
  }
}
