/**
 * Whole answers in fewer bytes, by what the caller accepts: zstd, brotli or gzip. Streams are never compressed: an event must not wait
 * for the next one. Work is done beside the event loop and bounded: while all places are taken, answers go out as they are.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { limits } from '#core/limits';

export type Encoding = 'zstd' | 'br' | 'gzip';

interface Effort {
  /** For an answer that is made for one caller: fast. */
  readonly once: (bytes: Uint8Array) => Promise<Uint8Array>;
  /**
   * For bytes that are compressed once and sent often: small, and still while the first one waits. The highest qualities make the API
   * viewer's 1.7 MB smaller by 4 % at ten times the work: seconds, where the machine has much to do.
   */
  readonly often: (bytes: Uint8Array) => Promise<Uint8Array>;
}

const zstdAsync = promisify(zstdCompress);
const brotliAsync = promisify(brotliCompress);
const gzipAsync = promisify(gzip);

function zstdAt(level: number): Effort['once'] {
  return (bytes) => zstdAsync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

function brotliAt(quality: number): Effort['once'] {
  return (bytes) =>
    brotliAsync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: quality,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength,
      },
    });
}

/** In the order of preference where a caller likes several alike: what is made fastest comes first. */
const EFFORTS: Readonly<Record<Encoding, Effort>> = {
  zstd: { once: zstdAt(3), often: zstdAt(6) },
  br: { once: brotliAt(4), often: brotliAt(5) },
  gzip: {
    once: (bytes) => gzipAsync(bytes, { level: constants.Z_BEST_SPEED }),
    often: (bytes) => gzipAsync(bytes, { level: constants.Z_DEFAULT_COMPRESSION }),
  },
};
const ENCODINGS: readonly Encoding[] = ['zstd', 'br', 'gzip'];

const TEXTS =
  /^(?:text\/(?!event-stream)|application\/(?:[\w.-]+\+)?(?:json|xml|x-ndjson|jsonl|javascript)\b|image\/svg\+xml)/;

const WEAK = 'W/';

/** Answers that are compressed at the same time; the runtime has four threads for this and for files. */
const PLACES = 8;

/** What one kept answer costs besides its bytes, about. */
const ENTRY_COST_BYTES = 256;

/** What of ours the caller likes best (RFC 9110, 12.5.3); null where it is none. */
export function acceptedEncoding(header: string | undefined): Encoding | null {
  if (header === undefined || header === '') return null;
  const weights = new Map<string, number>();
  for (const part of header.split(',')) {
    const [name = '', ...parameters] = part.split(';');
    const weight = parameters.map((text) => /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/i.exec(text)?.[1]).find(Boolean);
    weights.set(name.trim().toLowerCase(), weight === undefined ? 1 : Number(weight));
  }
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  let best: Encoding | null = null;
  for (const encoding of ENCODINGS) if (weightOf(encoding) > (best === null ? 0 : weightOf(best))) best = encoding;
  // Who names `identity` as the better one gets it.
  return best !== null && (weights.get('identity') ?? 0) > weightOf(best) ? null : best;
}

/** Bytes that are compressed when they are first asked for, once in each encoding. */
export class Precompressed {
  readonly bytes: Uint8Array;
  /** The same whatever the encoding: weak, since the bytes differ. */
  readonly etag: string;
  readonly #made = new Map<Encoding, Promise<Uint8Array>>();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.etag = weakEtag(bytes);
  }

  in(encoding: Encoding): Promise<Uint8Array> {
    let made = this.#made.get(encoding);
    if (made === undefined) {
      made = EFFORTS[encoding].often(this.bytes);
      this.#made.set(encoding, made);
    }
    return made;
  }
}

export function weakEtag(bytes: Uint8Array | string): string {
  return `${WEAK}"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
}

export interface Encoded {
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
}

export class Compressor {
  readonly #bytesMin: number;
  /** Of answers that are kept; the longest unused go first. */
  readonly #made: LRUCache<string, Encoded>;
  readonly #making = new Map<string, Promise<Encoded | null>>();
  #taken = 0;

  /** Smaller answers are sent as they are; 0: all are. */
  constructor(bytesMin: number, keptBytesMax = limits.compressedBytesMax) {
    this.#bytesMin = bytesMin;
    this.#made = new LRUCache({
      maxSize: keptBytesMax,
      sizeCalculation: ({ bytes }, key) => bytes.byteLength + 2 * key.length + ENTRY_COST_BYTES,
    });
  }

  /**
   * Whether such an answer depends on what the caller accepts. Not one with a strong ETag: that names these bytes (RFC 9110, 8.8.1), and a
   * caller may have to give it back as it is (If-Match).
   */
  concerns(contentType: string, body: Uint8Array | string | Precompressed, etag = WEAK): boolean {
    const length = body instanceof Precompressed ? body.bytes.byteLength : body.length;
    return this.#bytesMin > 0 && length >= this.#bytesMin && TEXTS.test(contentType) && etag.startsWith(WEAK);
  }

  /**
   * Null where it should go out as it is. `keptAs` names the body and nothing else: it is then compressed once in each encoding for all who
   * ask, for as long as there is room.
   */
  encode(
    accepts: string | undefined,
    body: Uint8Array | string | Precompressed,
    keptAs?: string,
  ): Promise<Encoded | null> | Encoded | null {
    const encoding = acceptedEncoding(accepts);
    if (encoding === null) return null;
    if (body instanceof Precompressed) return body.in(encoding).then((bytes) => ({ encoding, bytes }));
    return keptAs === undefined ? this.#once(encoding, body) : this.#kept(encoding, body, `${encoding} ${keptAs}`);
  }

  #kept(encoding: Encoding, body: Uint8Array | string, key: string): Promise<Encoded | null> | Encoded {
    const made = this.#made.get(key);
    if (made !== undefined) return made;
    const under = this.#making.get(key);
    if (under !== undefined) return under;
    const making = this.#once(encoding, body)
      .then((encoded) => {
        if (encoded !== null) this.#made.set(key, encoded);
        return encoded;
      })
      .finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return making;
  }

  async #once(encoding: Encoding, body: Uint8Array | string): Promise<Encoded | null> {
    if (this.#taken >= PLACES) return null;
    this.#taken++;
    try {
      return { encoding, bytes: await EFFORTS[encoding].once(typeof body === 'string' ? Buffer.from(body) : body) };
    } finally {
      this.#taken--;
    }
  }
}
