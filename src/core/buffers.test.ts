import assert from 'node:assert/strict';
import { it } from 'node:test';
import { bufferOf } from './buffers.ts';

it('gives a Buffer as it is, and a part of other bytes over the same memory', () => {
  const own = Buffer.from('abc');
  assert.equal(bufferOf(own), own);
  const part = new Uint8Array(new TextEncoder().encode('-abc-')).subarray(1, 4);
  const made = bufferOf(part);
  assert.equal(made.toString(), 'abc');
  made[0] = 0x78;
  assert.equal(part[0], 0x78);
});
