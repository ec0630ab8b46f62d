/**
 * Embeddings as they are kept and compared: unit vectors of 32-bit floats, whose inner product is the cosine, and the signs of their
 * dimensions, which the database compares without reading a vector. Refuses none: what has no direction is kept without.
 */
import type { Embedding } from '#contract/memory';

export interface StoredEmbedding {
  readonly embedding_model: string;
  readonly dimensions: number;
  /** One character a dimension, `1` where it is above 0. */
  readonly signs: string;
  readonly embedding: Uint8Array;
}

/** Null for a vector without direction: empty, all zeros, or not finite. */
export function storedEmbedding({ model, values }: Embedding): StoredEmbedding | null {
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  if (!(norm > 0) || !Number.isFinite(norm)) return null;
  const bytes = Buffer.alloc(values.length * Float32Array.BYTES_PER_ELEMENT);
  let signs = '';
  for (const [index, value] of values.entries()) {
    bytes.writeFloatLE(value / norm, index * Float32Array.BYTES_PER_ELEMENT);
    signs += value > 0 ? '1' : '0';
  }
  return { embedding_model: model, dimensions: values.length, signs, embedding: bytes };
}

/** The cosine of the angle between two: 1 for the same direction. */
export function nearness(one: Uint8Array, other: Uint8Array): number {
  const [left, right] = [viewOf(one), viewOf(other)];
  let sum = 0;
  for (let at = 0; at < left.byteLength; at += Float32Array.BYTES_PER_ELEMENT)
    sum += left.getFloat32(at, true) * right.getFloat32(at, true);
  return sum;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
