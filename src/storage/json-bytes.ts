/**
 * A JSON array as bytes, written value by value. What a batch says is a long text, and the runtime keeps long texts among the old objects
 * until it looks at all of them; the memory of bytes is used again.
 */

/** Of a character, in UTF-8. */
const CHAR_BYTES_MAX = 3;
const OPENING = 0x5b;
const COMMA = 0x2c;
const CLOSING = 0x5d;
/** What stands before a value, and behind the last. */
const BRACKETS = 2;

export class JsonBytes {
  count = 0;
  #memory: Buffer;
  #length = 0;

  constructor(memory: Buffer) {
    this.#memory = memory;
  }

  get memory(): Buffer {
    return this.#memory;
  }

  /** Whether it surely does, with the bracket behind it. */
  fits(json: string): boolean {
    return this.#length + json.length * CHAR_BYTES_MAX + BRACKETS <= this.#memory.length;
  }

  /** Into more memory where it may not fit. */
  add(json: string): void {
    if (!this.fits(json)) this.#grow(this.#length + json.length * CHAR_BYTES_MAX + BRACKETS);
    // The first one's place is the bracket's.
    this.#memory[this.#length++] = COMMA;
    this.count++;
    this.#length += this.#memory.write(json, this.#length);
  }

  /** What is in it so far. */
  bytes(): Buffer {
    const end = Math.max(1, this.#length);
    this.#memory[0] = OPENING;
    this.#memory[end] = CLOSING;
    return this.#memory.subarray(0, end + 1);
  }

  #grow(sizeMin: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(sizeMin, this.#memory.length * 2));
    this.#memory.copy(larger, 0, 0, this.#length);
    this.#memory = larger;
  }
}

/** Memory that is used again by whoever comes next; a second one at the same time gets its own. */
export class SpareMemory {
  readonly #size: number;
  #spare: Buffer | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  take(): Buffer {
    const memory = this.#spare ?? Buffer.allocUnsafeSlow(this.#size);
    this.#spare = undefined;
    return memory;
  }

  /** When nobody reads it any more. What grew beyond its size is not kept. */
  giveBack(memory: Buffer): void {
    if (memory.length === this.#size) this.#spare = memory;
  }
}
