/** The simulator's answers are cut into words in the time that their length takes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timesAsLong } from '../../tests/helpers/long-against-long.ts';
import { answerTo, wordsOf } from './simulator-answer.ts';

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

describe('what a caller may make an answer be searched for', () => {
  it('is a few texts to stop at, however many are given', () => {
    const stop = Array.from({ length: 1_000_000 }, () => 'model');
    const { words } = answerTo({ model: 'chat', messages: [{ role: 'user', content: 'Hello' }], stop }, undefined);
    assert.equal(words.join(''), 'This is a simulated answer: no');
  });

  it('are names that a tool may have, in the end of a question', () => {
    const tools = ['a'.repeat(200_000), 'weather'].map((name) => ({ type: 'function', function: { name } }));
    const ask = (content: string) =>
      answerTo({ model: 'chat', messages: [{ role: 'user', content }], tools }, undefined);
    assert.equal(ask(`${'a'.repeat(300_000)} and the weather?`).toolCall?.name, 'weather');
  });
});
