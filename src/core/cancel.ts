/**
 * Telling work that it is not wanted any more. The platform's own AbortSignal costs four microseconds to make and as much again to listen
 * to, several times a request; what the house needs of it is one flag, one reason and its listeners. Who only listens asks for a
 * `CancelSignal`, which every AbortSignal is.
 */

/** The part of an AbortSignal that the house uses. */
export interface CancelSignal {
  readonly aborted: boolean;
  /** Why; undefined while `aborted` is false. */
  readonly reason: unknown;
  throwIfAborted(): void;
  /** Called once, at the moment of the abort; never where that is past. The same listener is added once. */
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Its own signal. The first abort counts; listeners are called in the order of their coming, and forgotten. */
export class Canceller implements CancelSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly #listeners: (() => void)[] = [];

  get signal(): CancelSignal {
    return this;
  }

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    // One that an earlier one takes away is not called.
    for (let next = this.#listeners.shift(); next !== undefined; next = this.#listeners.shift()) next();
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.aborted && !this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at !== -1) this.#listeners.splice(at, 1);
  }
}
