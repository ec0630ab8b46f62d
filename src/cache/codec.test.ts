import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createCodec, encode } from './codec.ts';
import { CacheValueError } from './json.ts';

const codec = createCodec(4 * 1024 * 1024);
const there = async (value: unknown) => codec.pack(encode(value));
const back = async (payload: Uint8Array) => (await codec.unpack(payload))?.value;

describe('what is encoded', () => {
  it('comes back with the same value and type, whatever JSON can hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 5 }), async (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        assert.deepStrictEqual(await back(await there(plain)), plain);
      }),
      { numRuns: 200 },
    );
  });

  it('is compressed above 2 kB, in this thread and beside it', async () => {
    for (const bytes of [3_000, 120_000, 3_000_000]) {
      const value = { text: 'a cache '.repeat(bytes / 8) };
      const payload = await there(value);
      assert.ok(payload.length < bytes / 10);
      assert.deepEqual(await back(payload), value);
    }
    assert.ok((await there('x'.repeat(1_000))).length > 1_000);
  });

  it('comes back where its text has more bytes than characters, on either side of where it is compressed', async () => {
    for (const text of ['é', '漢', '😀', '\u2028', '\ufeff', '\ud800', '\udfffx'])
      for (const bytes of [1, 500, 2_040, 2_046, 2_052, 6_000]) {
        const value = text.repeat(Math.ceil(bytes / Buffer.byteLength(JSON.stringify(text))));
        const encoded = encode({ value });
        assert.deepEqual(await codec.unpack(await codec.pack(encoded)), encoded);
      }
  });

  it('reports the bytes of its JSON', () => {
    assert.equal(encode('é').bytes, 4);
    assert.equal(encode({ a: 1 }).bytes, 7);
  });
});

describe('a value that JSON would change is refused, with the place', () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  class List extends Array<number> {}
  const holes: unknown[] = [1];
  holes[2] = 2;
  const cases: [string, unknown, string][] = [
    ['undefined', undefined, '$'],
    ['undefined inside', { a: [{ b: undefined }] }, '$.a[0].b'],
    ['NaN', { a: Number.NaN }, '$.a'],
    ['Infinity', [Number.POSITIVE_INFINITY], '$[0]'],
    ['-0', -0, '$'],
    ['a Date', { since: new Date(0) }, '$.since'],
    ['a Map', new Map(), '$'],
    ['an instance of a class', new URL('http://a.example'), '$'],
    ['bytes', Buffer.from('x'), '$'],
    ['a BigInt', 1n, '$'],
    ['a function', { f: () => 1 }, '$.f'],
    ['a symbol key', { [Symbol('s')]: 1 }, '$'],
    ['toJSON', { toJSON: () => 1 }, '$'],
    ['a hole', holes, '$'],
    ['an array of a class', { list: new List(1, 2) }, '$.list'],
    ['no prototype', Object.create(null), '$'],
    ['a circle', circle, '$.self'],
  ];
  for (const [name, value, path] of cases) {
    it(name, () => {
      assert.throws(
        () => encode(value),
        (error) => error instanceof CacheValueError && error.path.startsWith(path) && error.message.includes(path),
      );
    });
  }
});

describe('a corrupt payload is a miss', () => {
  it('wherever one bit of it is turned', async () => {
    for (const value of [{ price: 125 }, 'a cache '.repeat(500), 'a cache '.repeat(100_000)]) {
      const payload = await there(value);
      for (let place = 0; place < payload.length; place += Math.ceil(payload.length / 50)) {
        const turned = Buffer.from(payload);
        turned[place] = (turned[place] ?? 0) ^ 0x04;
        assert.equal(await codec.unpack(turned), undefined, `byte ${place}`);
      }
    }
  });

  it('cut short, empty, or of a form that is not known', async () => {
    const payload = await there({ a: 1 });
    for (let length = 0; length < payload.length; length++) {
      assert.equal(await codec.unpack(payload.subarray(0, length)), undefined);
    }
    const unknown = Buffer.from(payload);
    unknown[0] = 0x7f;
    assert.equal(await codec.unpack(unknown), undefined);
  });

  it('and one that would grow past the bound', async () => {
    const small = createCodec(1_000);
    assert.equal(await small.unpack(await there('x'.repeat(5_000))), undefined);
    assert.equal(await small.unpack(await there('x'.repeat(500_000))), undefined);
  });
});
