/** What memory counts for a value, held against what V8 takes for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { heapBytes } from '#core/heap-bytes';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { MemoryStore } from './memory-store.ts';

const MB = 1024 * 1024;
const BYTES_MAX = 24 * MB;
/** What else the process comes to hold meanwhile. */
const NOISE_BYTES = 2 * MB;
/** Of one entry. */
const JSON_BYTES = 200_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const texts: Readonly<Record<string, (number: number) => string>> = {
  'empty objects': () => '{}',
  'empty arrays': () => '[]',
  'arrays in arrays': () => '[[]]',
  'small integers': (number) => String(number % 10),
  'integers and texts': (number) => (number % 2 === 0 ? `"${number}"` : String(number)),
  'short texts': (number) => `"${number.toString(36)}-${number}"`,
  records: (number) => `{"id":${number},"name":"user ${number}","tags":[]}`,
  'numbers with a fraction': (number) => `{"at":${number}.5}`,
  'objects of which each is another kind': (number) => `{"k${number}":1,"l${number}":[]}`,
};

describe('the bound of memory', () => {
  for (const [what, text] of Object.entries(texts))
    it(`holds for ${what}`, () => {
      const clock = new VirtualClock();
      const store = new MemoryStore<unknown>(clock, { bytesMax: BYTES_MAX, entryBytesMax: MB });
      const lifetime = { ttlMs: 1e6, swrMs: 0, staleOnErrorMs: 0, ageMs: 0, computeMs: 0, tags: [], expired: false };
      collect();
      const before = process.memoryUsage().heapUsed;
      let number = 0;
      for (let entry = 0; store.evictions < 3; entry++) {
        const parts: string[] = [];
        for (let bytes = 0; bytes < JSON_BYTES; bytes += parts.at(-1)?.length ?? 0) parts.push(text(number++));
        const json = `[${parts.join(',')}]`;
        store.store(`list:${entry}`, { ...lifetime, bytes: json.length, payload: JSON.parse(json) }, store.number);
      }
      collect();
      const used = process.memoryUsage().heapUsed - before;
      const said = `${(used / MB).toFixed(1)} MB of heap for ${store.size} entries of ${(store.bytes / MB).toFixed(1)} MB`;
      assert.ok(used <= BYTES_MAX + NOISE_BYTES, said);
      // Nor is it so cautious that most of it stays empty.
      assert.ok(used >= BYTES_MAX / 5, said);
    });

  it('is looked at no further for what has no parts', () => {
    assert.equal(heapBytes('text', 6), 12);
    assert.equal(heapBytes(new Uint8Array(1_000), 700), 1_400);
    assert.equal(heapBytes(null, 4), 8);
  });

  it('holds for what is deeper than a call can be', () => {
    const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    assert.ok(heapBytes(deep, 200_000) > 4_000_000);
  });

  it('keeps nothing that is larger than the whole of it', () => {
    const store = new MemoryStore<unknown>(new VirtualClock(), { bytesMax: 10_000, entryBytesMax: MB });
    const entry = { ttlMs: 1e6, swrMs: 0, staleOnErrorMs: 0, ageMs: 7, computeMs: 0, tags: [], expired: false };
    assert.equal(store.store('a', { ...entry, bytes: 600, payload: Array.from({ length: 200 }, () => ({})) }, 0), null);
    assert.equal(store.life('a', 0)?.ageMs, 7, 'of which the age is told all the same');
  });
});
