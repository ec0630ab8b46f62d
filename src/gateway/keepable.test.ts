/** What is stored of a value: bounded whatever it is, and for `redacted` clean also where it is cut. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '#core/limits';
import { Keepable } from './keepable.ts';

const MAX = limits.contentCharsMax;

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe('what is kept of a value', () => {
  it('is the whole of it where it fits, `__proto__` one name among others', () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":[1,null,true,"b"]},"c":"d"}');
    const keepable = new Keepable('full');
    assert.equal(JSON.stringify(keepable.of(value)), JSON.stringify(value));
    assert.equal(keepable.truncated, false);
  });

  it('is bounded, whatever it is made of', () => {
    const many = Array.from({ length: MAX }, (_, index) => index);
    const deep: unknown = JSON.parse('['.repeat(5_000) + ']'.repeat(5_000));
    for (const value of [
      'x'.repeat(2 * MAX),
      many,
      many.map(() => 'x'),
      many.map(() => []),
      Object.fromEntries(many.map((each) => [`n${each}`, ''])),
      [deep],
    ]) {
      const keepable = new Keepable('full');
      assert.ok(JSON.stringify(keepable.of(value)).length < 2 * MAX);
      assert.ok(keepable.truncated);
    }
  });

  it('holds no part of an address or a number at the place where it is cut, wherever that is', () => {
    for (const [secret, parts] of [
      ['joe.doe@host.example.com', /joe|doe|host|com/],
      ['4111 1111 1111 1111', /1/],
      ['sk-abcdefghijklmnop1234', /sk|abc/],
      ['DE89 3704 0044 0532 0130 00', /DE|3704/],
      ['+49 (30) 901820', /49|30/],
    ] as const) {
      for (let place = -2; place <= secret.length + 2; place++) {
        const keepable = new Keepable('redacted');
        const text = `${'- '.repeat(MAX / 2).slice(0, MAX - place)} ${secret} ${'- '.repeat(500)}`;
        assert.ok(!parts.test(String(keepable.of(text))), `${secret} at ${place}`);
        assert.equal(keepable.truncated, true);
      }
    }
  });

  it('holds no part of one where what stands before it shrinks', () => {
    const keepable = new Keepable('redacted');
    const text = `${'jane.roe.of.the.north@mail.example.com '.repeat(MAX / 30)}joe@example.com`;
    const kept = String(keepable.of(text));
    assert.ok(/^(?:\[email\] )+$/.test(kept));
    assert.ok(keepable.truncated);
  });

  it('leaves out what no redactor can read, and finds what is a number, a name or deep within', () => {
    const keepable = new Keepable('redacted');
    const kept = keepable.of([
      { type: 'image_url', image_url: { url: 'https://example.com/joe.png?sig=abc' } },
      { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
      { type: 'file', file: { file_data: 'data:text/plain;base64,am9l', filename: 'of joe@example.com' } },
      { 'joe@example.com': [{ card: 4_111_111_111_111_111, other: 17 }] },
    ]);
    assert.deepEqual(plain(kept), [
      { type: 'image_url', image_url: { url: '[url]' } },
      { type: 'input_audio', input_audio: { data: '[data]', format: 'wav' } },
      { type: 'file', file: { file_data: '[file_data]', filename: 'of [email]' } },
      { '[email]': [{ card: '[card]', other: 17 }] },
    ]);
  });
});
