/**
 * A request's JSON body: read with a bound that is exact to the byte, checked before it is parsed (UTF-8, nesting, values) and
 * parsed once. Errors give positions, never content.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { CancelSignal } from '#core/cancel';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import { unsupportedMediaType } from './errors/translate.ts';
import { jsonErrorOffset } from './json-error.ts';

const CHUNKED = 'chunked';
const JSON_TYPE = utf8Type('json');
/** A key that would set a prototype if anybody copied the object by assignment; escapes are one more spelling of it. */
const PROTO_KEY =
  /"(?:_|\\u005[Ff]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[Ff])(?:t|\\u0074)(?:o|\\u006[Ff])(?:_|\\u005[Ff]){2}"\s*:/;

/**
 * A matcher for these types of `application/…` in UTF-8, named or not. Nowhere do two repetitions of spaces meet: each way to share
 * them out would be tried, which took a third of a second for a header of 16 kB.
 */
export function utf8Type(types: string): RegExp {
  return new RegExp(String.raw`^application\/(?:${types})\s*(?:;\s*(?:charset\s*=\s*"?utf-8"?\s*(?:;\s*)?)?)?$`, 'i');
}

/** What `parse` makes of it. Rejects with a `CallerError` (413, `invalid_body`) or the signal's reason; throws one (415) where nothing need be read. */
export function readJsonBody<T>(
  incoming: IncomingMessage,
  bytesMax: number,
  signal: CancelSignal,
  parse: (parts: Parts) => T,
): Promise<T> {
  const { headers } = incoming;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw unsupportedMediaType();
  const hasBody = holdsBody(incoming);
  const isJson = headers['content-type'] !== undefined && JSON_TYPE.test(headers['content-type']);
  if (!isJson && (hasBody || headers['content-type'] !== undefined)) throw unsupportedMediaType();
  return read(incoming, bytesMax, signal, parse);
}

/** The body as it came; empty where there is none. Throws `body_too_large`, or the signal's reason. */
export function readBody(incoming: IncomingMessage, bytesMax: number, signal: CancelSignal): Promise<Buffer> {
  return read(incoming, bytesMax, signal, wholeOf);
}

/** One text in as many buffers as it came in. */
export type Parts = readonly Buffer[];

export function wholeOf(parts: Parts): Buffer {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

function holdsBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** What `take` makes of all bytes; what it throws, the promise rejects with. */
function read<T>(
  incoming: IncomingMessage,
  bytesMax: number,
  signal: CancelSignal,
  take: (parts: Parts) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const { 'content-length': announced = 0, 'transfer-encoding': coding = CHUNKED } = incoming.headers;
    if (Number(announced) > bytesMax) throw tooLarge(bytesMax);
    // The runtime undoes the last of several alone: what comes would be taken for the body itself.
    if (coding.toLowerCase() !== CHUNKED)
      throw new CallerError('bad_request', 'The body may be sent in chunks, and in no other Transfer-Encoding.');
    if (!holdsBody(incoming)) {
      resolve(take([]));
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (): void => {
      incoming.off('data', onData).off('end', onEnd);
      signal.removeEventListener('abort', onAbort);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= bytesMax) return;
      stop();
      // Read on and forget, so that the caller can read the answer; the time to send a request bounds it.
      incoming.resume();
      reject(tooLarge(bytesMax));
    };
    const onEnd = (): void => {
      signal.removeEventListener('abort', onAbort);
      let taken: T;
      try {
        taken = take(chunks);
      } catch (thrown) {
        reject(thrown);
        return;
      }
      resolve(taken);
    };
    const onAbort = (): void => {
      stop();
      reject(signal.reason);
    };
    incoming.on('data', onData).on('end', onEnd);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

/** `what` begins each message: "The body is not JSON …". Throws `CallerError`. */
export function parseJson(bytes: Buffer, what = 'The body'): unknown {
  const refused = (why: string): CallerError => new CallerError('invalid_body', `${what} ${why}`);
  if (bytes.length === 0) throw refused('is empty. Send a JSON object.');
  if (!isUtf8(bytes)) throw refused(`is not UTF-8: the bytes from ${firstBadByte(bytes)} on are no character.`);
  const text = bytes.toString('utf8', hasByteOrderMark(bytes) ? 3 : 0);
  const { jsonDepthMax, jsonValuesMax } = limits;
  const tooDeep = hasMoreOf('{[', text, jsonDepthMax) ? nestingOver(bytes, jsonDepthMax) : -1;
  if (tooDeep !== -1) throw refused(`is nested deeper than ${jsonDepthMax} levels at byte ${tooDeep}.`);
  // A value takes two bytes at the least. Of those behind the first, each follows a comma or an opening bracket.
  const mayHoldOver = text.length > 2 * jsonValuesMax && hasMoreOf(',{[', text, jsonValuesMax - 1);
  if (mayHoldOver && valuesIn(bytes) > jsonValuesMax) throw refused(`holds more than ${jsonValuesMax} values.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused(notJson(text));
  }
  if ((text.includes('__proto__') || text.includes('\\u')) && PROTO_KEY.test(text))
    throw refused('holds a key named "__proto__", which is refused everywhere. Rename it.');
  return value;
}

function notJson(text: string): string {
  const offset = jsonErrorOffset(text);
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - (before.lastIndexOf('\n') + 1) + 1;
  const what = offset >= text.length ? 'it ends too early' : 'an unexpected character';
  return `is not JSON: ${what} at position ${offset} (line ${line}, column ${column}).`;
}

/** Whether the text holds more than `max` of these at all, which the runtime's own search finds out faster than a look at each byte. */
function hasMoreOf(characters: string, text: string, max: number): boolean {
  let found = 0;
  for (const character of characters) {
    for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1))
      if (++found > max) return true;
  }
  return false;
}

/** Offset of the bracket that opens level `depthMax + 1`, or -1. Hops over strings by the runtime's own search. */
function nestingOver(bytes: Buffer, depthMax: number): number {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) {
      at = endOfString(bytes, at);
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > depthMax) return at;
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--;
    }
  }
  return -1;
}

/** Of what is JSON: of other texts, any number. */
function valuesIn(bytes: Buffer): number {
  let values = 1;
  let opened = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    const closes = byte === 0x5d || byte === 0x7d;
    if (byte === 0x2c || (opened && !closes)) values++;
    opened = byte === 0x5b || byte === 0x7b;
    if (byte === 0x22) at = endOfString(bytes, at);
  }
  return values;
}

function endOfString(bytes: Buffer, from: number): number {
  for (let quote = bytes.indexOf(0x22, from + 1); quote !== -1; quote = bytes.indexOf(0x22, quote + 1)) {
    let slashes = 0;
    while (bytes[quote - 1 - slashes] === 0x5c) slashes++;
    if (slashes % 2 === 0) return quote;
  }
  return bytes.length;
}

function firstBadByte(bytes: Buffer): number {
  let good = 0;
  let bad = bytes.length;
  // The prefix up to `good` decodes, the one up to `bad` does not; a prefix may end inside a character (`stream`).
  while (bad - good > 1) {
    const middle = good + Math.floor((bad - good) / 2);
    if (decodes(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function decodes(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function tooLarge(bytesMax: number): CallerError {
  return new CallerError(
    'body_too_large',
    `The body has more than ${bytesMax} bytes, which is all that is accepted here.`,
  );
}
