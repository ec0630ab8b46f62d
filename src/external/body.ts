/**
 * The body of an answer on its way to the caller: pulled part by part, our credentials covered, errors in the hub's words, and the call
 * ended once, however its reader stops. Not a generator: one that was never begun would end nothing.
 */
import type { MaskedStream } from './mask.ts';

interface BodyParts<Part> {
  /** The call, its head already pulled. */
  readonly parts: AsyncIterator<Part, void, undefined>;
  readonly mask: MaskedStream;
  readonly bytesOf: (part: Part) => Buffer;
  readonly explain: (thrown: unknown) => unknown;
  /** The call is over; may be told so more than once. */
  readonly ended: () => void;
}

export class AnswerBody<Part> implements AsyncIterableIterator<Uint8Array> {
  readonly #given: BodyParts<Part>;
  #over = false;

  constructor(given: BodyParts<Part>) {
    this.#given = given;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { parts, mask, bytesOf, explain, ended } = this.#given;
    try {
      while (!this.#over) {
        const part = await parts.next();
        this.#over = part.done === true;
        const bytes = part.done === true ? mask.end() : mask.push(bytesOf(part.value));
        if (this.#over) ended();
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
}
