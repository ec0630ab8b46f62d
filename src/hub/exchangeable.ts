/**
 * A part of the hub that is exchanged at a reload while requests use it. A request stays with the one it began on; one that was
 * replaced is closed once its last request has ended, so that no reload cuts a stream.
 */

interface Slot<Part> {
  readonly part: Part;
  inFlight: number;
  retired: (() => void) | undefined;
}

export class Exchangeable<Part extends { close(): Promise<void> }> {
  #slot: Slot<Part>;

  constructor(part: Part) {
    this.#slot = { part, inFlight: 0, retired: undefined };
  }

  get current(): Part {
    return this.#slot.part;
  }

  /** Takes effect for the next request; resolves when the old part has served its last one and is closed. */
  async replace(part: Part): Promise<void> {
    const old = this.#slot;
    this.#slot = { part, inFlight: 0, retired: undefined };
    if (old.inFlight > 0) await new Promise<void>((resolve) => (old.retired = resolve));
    await old.part.close();
  }

  close(): Promise<void> {
    return this.#slot.part.close();
  }

  /** A request begins; `leave` is called at its end, and counts once. */
  enter(): { readonly part: Part; readonly leave: () => void } {
    const slot = this.#slot;
    slot.inFlight++;
    let left = false;
    return {
      part: slot.part,
      leave: () => {
        if (left) return;
        left = true;
        slot.inFlight--;
        if (slot.inFlight === 0) slot.retired?.();
      },
    };
  }
}

/** The same values; `leave` is called however the reader ends. Not a generator: one that was never begun runs no `finally`. */
export function leaveAtEnd<T>(values: AsyncIterableIterator<T>, leave: () => void): AsyncIterableIterator<T> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = await values.next();
        if (result.done === true) leave();
        return result;
      } catch (error) {
        leave();
        throw error;
      }
    },
    async return() {
      try {
        await values.return?.();
      } finally {
        leave();
      }
      return { done: true, value: undefined };
    },
  };
}
