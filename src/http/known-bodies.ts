/**
 * JSON bodies that are answered from the cache again and again, parsed and checked once: of a long conversation that is most of what
 * such an answer costs. Known by their bytes, compared one by one, to the project and the operation that had them. Before the cache has
 * answered for the first time nothing is looked up.
 */
import { LRUCache } from 'lru-cache';
import { heapBytes } from '#core/heap-bytes';
import { limits } from '#core/limits';
import { parseJson, wholeOf } from './body.ts';
import type { Parts } from './body.ts';

/** What an entry costs besides its body, about. */
const ENTRY_BYTES = 512;

interface Known {
  readonly bytes: Buffer;
  readonly value: unknown;
}

/** Of a body that was answered from the cache once: most are not again. */
const SEEN = { bytes: Buffer.alloc(0), value: undefined } satisfies Known;

/** One body while its request is served. */
export interface ReadBody {
  /** Frozen where it is known. */
  readonly value: unknown;
  /** It was answered from the cache before, so it fits its schema. */
  readonly isKnown: boolean;
  /** Under which it is to be known; undefined where nothing is to be done. */
  readonly name?: string;
  /** The bytes that it was, where it may be kept. */
  readonly bytes?: Buffer;
}

export class KnownBodies {
  readonly #known = new LRUCache<string, Known>({
    maxSize: limits.knownBodiesBytesMax,
    maxEntrySize: limits.knownBodiesBytesMax / 8,
    sizeCalculation: ({ bytes, value }) => ENTRY_BYTES + bytes.length + heapBytes(value, bytes.length),
  });
  #isUsed = false;

  /** Throws as `parseJson`. */
  read(parts: Parts, operation: string, projectId: string): ReadBody {
    if (!this.#isUsed) return { value: parseJson(wholeOf(parts)), isKnown: false };
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const name = `${operation} ${projectId} ${length} ${sampleOf(parts, length)}`;
    const known = this.#known.get(name);
    if (known !== undefined && isSame(known.bytes, parts, length)) return { value: known.value, isKnown: true };
    const bytes = wholeOf(parts);
    const value = parseJson(bytes);
    return known === undefined ? { value, isKnown: false, name } : { value, isKnown: false, name, bytes };
  }

  /** The cache has answered it. */
  answered({ name, value, bytes }: ReadBody): void {
    this.#isUsed = true;
    if (name === undefined) return;
    if (bytes === undefined) {
      this.#known.set(name, SEEN);
      return;
    }
    // They may be part of a larger buffer, which would be kept as a whole.
    const own = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(own);
    this.#known.set(name, { bytes: own, value: frozen(value) });
  }
}

/** Bytes from all over it, or a few more: of 8 KiB a CRC would take ten times as long as the comparison that has to follow it anyway. */
const SAMPLED = 128;

/** By which most bodies differ; whether two are the same, `isSame` says. FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/). */
function sampleOf(parts: Parts, length: number): number {
  const step = Math.max(1, Math.floor(length / SAMPLED));
  let sum = 0x811c9dc5;
  let at = 0;
  for (const part of parts) {
    for (; at < part.length; at += step) sum = Math.imul(sum ^ (part[at] ?? 0), 0x01000193);
    // Wherever it was cut on its way.
    at -= part.length;
  }
  return sum;
}

function isSame(bytes: Buffer, parts: Parts, length: number): boolean {
  if (bytes.length !== length) return false;
  let from = 0;
  for (const part of parts) {
    const to = from + part.length;
    if (bytes.compare(part, 0, part.length, from, to) !== 0) return false;
    from = to;
  }
  return true;
}

/** Many requests share it. */
function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}
