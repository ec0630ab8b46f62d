/**
 * The `data` of server-sent events, out of bytes as they arrive (WHATWG HTML, section 9.2). Lines are cut as bytes, so that a
 * character split over two packets needs no care; an event is bounded, so that an upstream cannot fill the memory by never
 * ending one. Field names other than `data` carry nothing that a chat needs and are dropped. A lone CR is no line end here.
 */
import { UpstreamFailure } from '#contract/provider';

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;
const BOM = '\u{feff}';

export class SseParser {
  readonly #eventBytesMax: number;
  /** The beginning of a line whose end has not arrived; whole packets, joined once. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** The data of the event under way; undefined before its first `data` line. */
  #data: string | undefined;
  #dataBytes = 0;
  #begun = false;

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax;
  }

  /** The data of each event that ends in these bytes. Throws `UpstreamFailure('oversize')`. */
  push(bytes: Buffer): string[] {
    const events: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      if (this.#partialBytes === 0) this.#line(bytes, start, end, events);
      else {
        this.#keep(bytes.subarray(start, end));
        const line = Buffer.concat(this.#partial, this.#partialBytes);
        this.#partial = [];
        this.#partialBytes = 0;
        this.#line(line, 0, line.length, events);
      }
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
    return events;
  }

  /** What an upstream that leaves out the last empty line meant as its last event. */
  end(): string[] {
    return this.push(Buffer.from('\n\n'));
  }

  #keep(bytes: Buffer): void {
    this.#partial.push(bytes);
    this.#partialBytes += bytes.length;
    this.#check(this.#partialBytes);
  }

  #line(bytes: Buffer, start: number, lineEnd: number, events: string[]): void {
    const end = lineEnd > start && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    if (end === start) {
      if (this.#data !== undefined) events.push(this.#data);
      this.#data = undefined;
      this.#dataBytes = 0;
      return;
    }
    if (bytes[start] === COLON) return;
    // "data:" is compared as a number of bytes, not as text: this runs once for every token that anybody streams.
    if (!isDataField(bytes, start, end)) {
      this.#firstLine(bytes, start, end);
      return;
    }
    let from = Math.min(start + 5, end);
    if (from < end && bytes[from] === SPACE) from++;
    this.#append(bytes.toString('utf8', from, end), end - from);
  }

  /** A byte order mark may stand before the first field, and nowhere else. */
  #firstLine(bytes: Buffer, start: number, end: number): void {
    if (this.#begun) return;
    this.#begun = true;
    const text = bytes.toString('utf8', start, end);
    if (!text.startsWith(`${BOM}data:`)) return;
    const value = text.slice(6);
    this.#append(value.startsWith(' ') ? value.slice(1) : value, end - start);
  }

  #append(text: string, byteCount: number): void {
    this.#begun = true;
    this.#dataBytes += byteCount;
    this.#check(this.#dataBytes);
    this.#data = this.#data === undefined ? text : `${this.#data}\n${text}`;
  }

  #check(byteCount: number): void {
    if (byteCount <= this.#eventBytesMax) return;
    throw new UpstreamFailure('oversize', `The upstream sent an event of more than ${this.#eventBytesMax} bytes.`);
  }
}

/** `data` alone, or followed by a colon. */
function isDataField(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start >= 4 &&
    bytes[start] === 100 &&
    bytes[start + 1] === 97 &&
    bytes[start + 2] === 116 &&
    bytes[start + 3] === 97 &&
    (end - start === 4 || bytes[start + 4] === COLON)
  );
}
