/** The bytes as a Buffer, over the same memory. What drivers give is one already: to make another costs as much as a short text. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
