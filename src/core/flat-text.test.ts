import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flatText } from './flat-text.ts';

describe('a text in one piece', () => {
  it('is the same text, whatever is in it', () => {
    const texts = [
      '',
      'run_01',
      'naïve\0',
      'bench/模型',
      '😀',
      '\ud83d',
      `${'x'.repeat(300)}é`,
      'a'.repeat(256),
      'a'.repeat(257),
    ];
    for (const text of texts) assert.equal(flatText(text), text);
  });

  it('is no piece of the text before it', () => {
    const first = flatText('a'.repeat(40));
    assert.equal(flatText('b'), 'b');
    assert.equal(first, 'a'.repeat(40));
  });
});
