/** A vector as the caller asked for it: numbers, or 32-bit floats, little-endian, in base64, which OpenAI's clients ask for by themselves. */

export function vectorAs(format: unknown, vector: readonly number[]): readonly number[] | string {
  if (format !== 'base64') return vector;
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString('base64');
}
