/**
 * A value that must not reach a log, an error or a page by accident: every way of turning it into text gives `[redacted]`,
 * and only an explicit `reveal()` gives the value.
 */
const SHOWN = '[redacted]';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN;
  }
}
