/** Which bodies are known again, whose they are, and how many of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import { KnownBodies } from './known-bodies.ts';
import type { ReadBody } from './known-bodies.ts';

const CHAT = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Grüße, 世界' }] });

const LONG = JSON.stringify({ model: 'm', content: 'a'.repeat(1_000) });

/** As long as `LONG`, each with another letter in place of one. */
function differing(): string[] {
  const at = LONG.indexOf('aaa');
  return Array.from({ length: 200 }, (_, index) => `${LONG.slice(0, at + index)}b${LONG.slice(at + index + 1)}`);
}

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
  for (const [what, text] of [
    ['a short one', CHAT],
    ['a long one', LONG],
  ] as const)
    it(`${what} is known from the second answer on, in whatever parts it comes`, () => {
      const bodies = onTheWatch();
      for (let time = 0; time < 2; time++) {
        assert.equal(read(bodies, text).isKnown, false);
        answered(bodies, text);
      }
      const first = read(bodies, text);
      assert.equal(first.isKnown, true);
      assert.deepEqual(first.value, JSON.parse(text));
      for (const cut of [1, 40, Buffer.byteLength(text) - 1]) {
        const again = read(bodies, text, 'prj_1', 'chat', cut);
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

  it('is not taken for another that differs in one letter, wherever that is', () => {
    const bodies = onTheWatch();
    answered(bodies, LONG);
    answered(bodies, LONG);
    assert.equal(read(bodies, LONG).isKnown, true);
    for (const other of differing()) {
      const { isKnown, value } = read(bodies, other);
      assert.equal(isKnown, false);
      assert.deepEqual(value, JSON.parse(other));
    }
  });

  it('is known beside others that are as long', () => {
    const bodies = onTheWatch();
    const others = ['a', 'b', 'c'].map((letter) => LONG.replaceAll('a', letter));
    for (let time = 0; time < 2; time++) for (const other of others) answered(bodies, other);
    for (const other of others) assert.equal(read(bodies, other).isKnown, true);
  });

  it('is not known by an answer that another one had', () => {
    const bodies = onTheWatch();
    answered(bodies, LONG);
    // Some have its mark; what was never answered has not been checked.
    for (const other of differing())
      for (let time = 0; time < 2; time++) assert.equal(read(bodies, other).isKnown, false);
  });

  it('gives way to another of the same mark that is answered after it', () => {
    const bodies = onTheWatch();
    answered(bodies, LONG);
    for (const other of differing()) {
      for (let time = 0; time < 2; time++) answered(bodies, other);
      assert.deepEqual(read(bodies, other), { value: JSON.parse(other), isKnown: true });
    }
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
