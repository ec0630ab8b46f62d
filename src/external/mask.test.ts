import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Mask } from './mask.ts';

const SECRET = 'ghp_0123456789';

function through(mask: Mask, parts: readonly string[]): { pushed: string[]; whole: string } {
  const stream = mask.stream();
  const pushed = parts.map((part) => stream.push(Buffer.from(part)).toString());
  return { pushed, whole: pushed.join('') + stream.end().toString() };
}

describe('the mask', () => {
  it('covers a secret wherever a body is cut, and changes no length and no other byte', () => {
    const body = `{"sent":"Bearer ${SECRET}","and":"${SECRET}${SECRET}","ghp_":"ghp_0123"}`;
    const covered = body.replaceAll(SECRET, '*'.repeat(SECRET.length));
    for (let at = 0; at <= body.length; at++)
      for (const more of [1, 3, SECRET.length])
        assert.equal(
          through(new Mask([SECRET]), [body.slice(0, at), body.slice(at, at + more), body.slice(at + more)]).whole,
          covered,
          `cut at ${at} and ${at + more}`,
        );
  });

  it('covers each of several secrets, also where one begins like another', () => {
    const { whole } = through(new Mask(['abcdefgh', 'abcdefghij', 'xyzxyzxyz']), [
      'abcdef',
      'ghij abcdefgh xyz',
      'xyzxyz',
    ]);
    assert.doesNotMatch(whole, /abcdefgh|xyzxyzxyz/);
    assert.equal(whole.length, 'abcdefghij abcdefgh xyzxyzxyz'.length);
  });

  it('holds nothing back that cannot be the beginning of a secret: an event goes out when it comes', () => {
    assert.deepEqual(through(new Mask([SECRET]), ['data: 1\n\n', 'data: g', 'o\n\n']).pushed, [
      'data: 1\n\n',
      'data: ',
      'go\n\n',
    ]);
  });

  it('covers headers', () => {
    assert.equal(new Mask([SECRET]).text(`W/"${SECRET}\u00e9"`), `W/"${'*'.repeat(SECRET.length)}\u00e9"`);
  });

  it('takes nothing so short for a secret that words would be covered', () => {
    assert.equal(through(new Mask(['user', '']), ['the user']).whole, 'the user');
  });
});
