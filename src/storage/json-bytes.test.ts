/** JSON arrays as bytes: what is read back is what was added, whatever the memory was. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { JsonBytes, SpareMemory } from './json-bytes.ts';

const values = ['', 'é€\u{1F600}', `'"\\`, { a: [1, null] }, 'x'.repeat(1_000)];

it('is an array of what was added, in memory of any size', () => {
  for (const size of [2, 3, 7, 64, 4_096]) {
    const json = new JsonBytes(Buffer.alloc(size, 0xff));
    for (const [place, value] of values.entries()) {
      assert.deepEqual(JSON.parse(json.bytes().toString()), values.slice(0, place), `${size} bytes`);
      json.add(JSON.stringify(value));
    }
    assert.deepEqual([JSON.parse(json.bytes().toString()), json.count], [values, values.length], `${size} bytes`);
  }
});

it('keeps to its memory what it says fits, of the widest characters', () => {
  const memory = Buffer.alloc(64);
  const json = new JsonBytes(memory);
  while (json.fits('"€€€"')) json.add('"€€€"');
  assert.deepEqual([json.memory === memory, json.count], [true, 4]);
  json.add('"€€€"');
  assert.deepEqual([json.memory === memory, JSON.parse(json.bytes().toString())], [false, Array(5).fill('€€€')]);
});

it('lends the memory that was given back, once, and none that grew', () => {
  const spare = new SpareMemory(64);
  const first = spare.take();
  assert.notEqual(spare.take(), first);
  spare.giveBack(first);
  spare.giveBack(Buffer.alloc(128));
  assert.equal(spare.take(), first);
  assert.notEqual(spare.take(), first);
});
