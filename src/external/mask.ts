/**
 * Takes the hub's credentials out of what a target answers: an API that shows a request back, in an answer or an error, would hand
 * them to the caller otherwise. Each is written over with asterisks, byte by byte, so that lengths stay what was announced.
 */

/** Too short to be a secret, and likely to be a part of an innocent word. */
const SECRET_CHARS_MIN = 8;
const ASTERISK = 0x2a;

export class Mask {
  readonly #secrets: readonly Buffer[];

  constructor(secrets: readonly string[]) {
    // The longest first: one that holds another is covered whole.
    this.#secrets = secrets
      .filter((secret) => secret.length >= SECRET_CHARS_MIN)
      .map((secret) => Buffer.from(secret, 'latin1'))
      .toSorted((a, b) => b.length - a.length);
  }

  /** Of a header, whose characters are bytes. */
  text(value: string): string {
    return this.#cover(Buffer.from(value, 'latin1')).toString('latin1');
  }

  /** Of a body that comes in parts. */
  stream(): MaskedStream {
    let held: Buffer = Buffer.alloc(0);
    return {
      push: (part) => {
        const bytes = this.#cover(held.length === 0 ? part : Buffer.concat([held, part]));
        const cut = bytes.length - this.#begun(bytes);
        held = bytes.subarray(cut);
        return bytes.subarray(0, cut);
      },
      end: () => held,
    };
  }

  #cover(bytes: Buffer): Buffer {
    for (const secret of this.#secrets)
      for (let at = bytes.indexOf(secret); at !== -1; at = bytes.indexOf(secret, at + secret.length))
        bytes.fill(ASTERISK, at, at + secret.length);
    return bytes;
  }

  /** How many bytes at the end may be the beginning of a secret. */
  #begun(bytes: Buffer): number {
    let begun = 0;
    for (const secret of this.#secrets) {
      for (let length = Math.min(secret.length - 1, bytes.length); length > begun; length--) {
        if (bytes.subarray(bytes.length - length).equals(secret.subarray(0, length))) begun = length;
      }
    }
    return begun;
  }
}

export interface MaskedStream {
  /** What may go on; it may be nothing yet. Writes into `part`. */
  push(part: Buffer): Buffer;
  /** What was held back in case more of a secret followed. */
  end(): Buffer;
}
