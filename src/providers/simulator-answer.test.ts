/** The simulator's answers are cut into words in the time that their length takes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timesAsLong } from '../../tests/helpers/long-against-long.ts';
import { wordsOf } from './simulator-answer.ts';

describe('the words of an answer', () => {
  it('keep the space before each', () => {
    assert.deepEqual(wordsOf(' one  two\nthree '), [' one', '  two', '\nthree']);
  });

  it('take no longer for spaces alone than for words', () => {
    const ratio = timesAsLong(
      () => void wordsOf(`x${' '.repeat(32_000)}`),
      () => void wordsOf('x '.repeat(16_000)),
    );
    assert.ok(ratio < 10, `${ratio} times as long`);
  });
});
