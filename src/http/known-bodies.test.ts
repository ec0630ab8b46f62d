/** Which bodies are known again, whose they are, and how many of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import { KnownBodies } from './known-bodies.ts';
import type { ReadBody } from './known-bodies.ts';

const CHAT = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Grüße, 世界' }] });

/** Bodies of which the cache has answered one, so that it is on the watch. */
function onTheWatch(): KnownBodies {
  const bodies = new KnownBodies();
  answered(bodies, '{"model":"first"}');
  return bodies;
}

function read(bodies: KnownBodies, text: string, project = 'prj_1', operation = 'chat', cut = 0): ReadBody {
  const bytes = Buffer.from(text);
  const parts = cut === 0 ? [bytes] : [bytes.subarray(0, cut), bytes.subarray(cut)];
  return bodies.read(parts, operation, project);
}

function answered(bodies: KnownBodies, text: string): void {
  bodies.answered(read(bodies, text));
}

describe('a body that the cache answers', () => {
  it('is known from the second answer on, in whatever parts it comes', () => {
    const bodies = onTheWatch();
    for (let time = 0; time < 2; time++) {
      assert.equal(read(bodies, CHAT).isKnown, false);
      answered(bodies, CHAT);
    }
    const first = read(bodies, CHAT);
    assert.equal(first.isKnown, true);
    assert.deepEqual(first.value, JSON.parse(CHAT));
    for (const cut of [1, 40, Buffer.byteLength(CHAT) - 1]) {
      const again = read(bodies, CHAT, 'prj_1', 'chat', cut);
      assert.equal(again.isKnown, true);
      assert.equal(again.value, first.value, 'it is parsed once');
    }
  });

  it('is frozen all through, since many share it', () => {
    const bodies = onTheWatch();
    answered(bodies, CHAT);
    answered(bodies, CHAT);
    const { value } = read(bodies, CHAT);
    assert.ok(Object.isFrozen(value));
    const { messages } = value as { messages: object[] };
    assert.ok(Object.isFrozen(messages) && messages.every((message) => Object.isFrozen(message)));
  });

  it('keeps nothing alive of the buffer that it came in', () => {
    const bodies = onTheWatch();
    const buffer = Buffer.from(`${CHAT}${' '.repeat(100)}`);
    const bytes = buffer.subarray(0, Buffer.byteLength(CHAT));
    for (let time = 0; time < 2; time++) bodies.answered(bodies.read([bytes], 'chat', 'prj_1'));
    buffer.fill(0x20);
    assert.equal(read(bodies, CHAT).isKnown, true);
  });

  it('is known to its project and its operation only', () => {
    const bodies = onTheWatch();
    answered(bodies, CHAT);
    answered(bodies, CHAT);
    assert.equal(read(bodies, CHAT, 'prj_2').isKnown, false);
    assert.equal(read(bodies, CHAT, 'prj_1', 'embedding').isKnown, false);
  });

  it('is not taken for another of the same length and sum', () => {
    const [one, other] = alike();
    const bodies = onTheWatch();
    answered(bodies, one);
    answered(bodies, one);
    assert.equal(read(bodies, one).isKnown, true);
    const second = read(bodies, other);
    assert.equal(second.isKnown, false);
    assert.deepEqual(second.value, JSON.parse(other));
  });

  it('is not known by an answer that another one had', () => {
    const [one, other] = alike();
    const bodies = onTheWatch();
    answered(bodies, one);
    // Marked by the other one; what was never answered has not been checked.
    read(bodies, other);
    assert.equal(read(bodies, other).isKnown, false);
    assert.equal(read(bodies, one).isKnown, false);
  });
});

describe('bodies that are not kept', () => {
  it('before the cache has answered at all, none has a name', () => {
    assert.deepEqual(read(new KnownBodies(), CHAT), { value: JSON.parse(CHAT), isKnown: false });
  });

  it('what is no JSON is refused as ever', () => {
    for (const bodies of [new KnownBodies(), onTheWatch()]) {
      assert.throws(() => read(bodies, '{"model":'), CallerError);
      assert.throws(() => bodies.read([], 'chat', 'prj_1'), /is empty/);
    }
  });

  for (const [what, content] of [
    ['a very long one', JSON.stringify('x'.repeat(limits.knownBodiesBytesMax / 8))],
    ['one of very many small objects', `[${'{},'.repeat(limits.knownBodiesBytesMax / 8 / 60)}{}]`],
  ] as const)
    it(`${what} is parsed each time`, () => {
      const bodies = onTheWatch();
      const text = `{"content":${content}}`;
      for (let time = 0; time < 3; time++) answered(bodies, text);
      assert.equal(read(bodies, text).isKnown, false);
    });

  it('the longest unused make room', () => {
    const bodies = onTheWatch();
    const length = limits.knownBodiesBytesMax / 32;
    const text = (number: number): string => JSON.stringify({ number, content: 'x'.repeat(length / 4) });
    for (let number = 0; number < 100; number++) {
      answered(bodies, text(number));
      answered(bodies, text(number));
    }
    assert.equal(read(bodies, text(0)).isKnown, false);
    assert.equal(read(bodies, text(99)).isKnown, true);
  });
});

/** Two bodies with the same length and the same CRC. Among 2^17 of them two are alike as good as always (2^34 pairs, 2^32 sums). */
function alike(): [string, string] {
  const seen = new Map<number, string>();
  for (let number = 0; ; number++) {
    // A CRC of texts that differ in few bits has no collisions: they are spread.
    const text = JSON.stringify({
      model:
        Math.imul(number, 2_654_435_761).toString(36).padStart(8, '_').repeat(2) + number.toString(36).padStart(5, '_'),
    });
    const sum = crc32(text);
    const other = seen.get(sum);
    if (other !== undefined && other.length === text.length) return [other, text];
    seen.set(sum, text);
  }
}
