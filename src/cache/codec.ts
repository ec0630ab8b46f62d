/**
 * Values as bytes: JSON, a checksum before it, zstd level 1 above 2 kB. What is large is compressed on Node's thread pool, two at
 * once, so that a 5 MB value neither blocks the event loop nor takes every thread. Bytes that do not check out decode to
 * `undefined`: a corrupt payload is a miss, never an error.
 */
import { constants, crc32, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { promisify } from 'node:util';
import { bufferOf } from '#core/buffers';
import { checkJson } from './json.ts';

const COMPRESS_FROM_BYTES = 2 * 1024;
const ASYNC_FROM_BYTES = 128 * 1024;
const AT_ONCE_MAX = 2;
/** kind (1 byte), CRC-32 of what follows (4 bytes). */
const HEADER_BYTES = 5;
const PLAIN = 0x10;
const ZSTD = 0x11;
const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** A value, checked, with its JSON. */
export interface Encoded {
  readonly value: unknown;
  /** UTF-8 bytes of the JSON: what every size bound is held against. */
  readonly bytes: number;
  readonly json: string;
}

/** Throws a `CacheValueError` where JSON would change the value. */
export function encode(value: unknown): Encoded {
  checkJson(value);
  const json = JSON.stringify(value);
  return { value, json, bytes: Buffer.byteLength(json) };
}

export interface Codec {
  pack(encoded: Encoded): Uint8Array | Promise<Uint8Array>;
  /** `undefined` for bytes that are not whole. */
  unpack(payload: Uint8Array): Encoded | undefined | Promise<Encoded | undefined>;
}

/** `bytesMax` bounds what a compressed payload may grow to. */
export function createCodec(bytesMax: number): Codec {
  const limit = createLimit(AT_ONCE_MAX);
  const bounds = { maxOutputLength: bytesMax };
  return {
    pack({ json, bytes }) {
      if (bytes < COMPRESS_FROM_BYTES) return framed(PLAIN, json, bytes);
      const text = Buffer.from(json);
      if (bytes < ASYNC_FROM_BYTES) return framed(ZSTD, zstdCompressSync(text, LEVEL_1));
      return limit(() => compress(text, LEVEL_1)).then((body) => framed(ZSTD, body));
    },
    unpack(payload) {
      if (payload.length <= HEADER_BYTES) return undefined;
      const whole = bufferOf(payload);
      const body = whole.subarray(HEADER_BYTES);
      if (whole.readUInt32BE(1) !== crc32(body)) return undefined;
      if (payload[0] === PLAIN) return parsed(body);
      if (payload[0] !== ZSTD) return undefined;
      if (body.length < ASYNC_FROM_BYTES / 4) return parsedOr(() => zstdDecompressSync(body, bounds));
      return limit(() => decompress(body, bounds)).then(parsed, () => undefined);
    },
  };
}

function framed(kind: number, body: Uint8Array | string, bytes = body.length): Uint8Array {
  const payload = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  payload[0] = kind;
  if (typeof body === 'string') payload.write(body, HEADER_BYTES);
  else payload.set(body, HEADER_BYTES);
  payload.writeUInt32BE(crc32(payload.subarray(HEADER_BYTES)), 1);
  return payload;
}

function parsedOr(decompressed: () => Buffer): Encoded | undefined {
  try {
    return parsed(decompressed());
  } catch {
    // A frame that zstd refuses, or one that would grow past the bound.
    return undefined;
  }
}

function parsed(text: Buffer): Encoded | undefined {
  try {
    const json = text.toString();
    const value: unknown = JSON.parse(json);
    return { value, json, bytes: text.length };
  } catch {
    return undefined;
  }
}

/** At most `atOnce` pieces of work run; the others wait in order. What waits is bounded by the flights that wait for it. */
function createLimit(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
