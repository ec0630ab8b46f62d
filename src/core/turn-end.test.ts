import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onNextTurn } from './clock.ts';
import { atTurnEnd } from './turn-end.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => onNextTurn(resolve));

describe('the end of a turn', () => {
  it('does in a row what was put off, in its order, and not before', async () => {
    const done: number[] = [];
    for (let number = 0; number < 5; number++) atTurnEnd(() => done.push(number));
    await Promise.resolve();
    assert.deepEqual(done, []);
    await nextTurn();
    assert.deepEqual(done, [0, 1, 2, 3, 4]);
  });

  it('keeps nobody waiting for more than 32 others', async () => {
    let done = 0;
    for (let number = 0; number < 40; number++) atTurnEnd(() => done++);
    assert.equal(done, 32);
    await nextTurn();
    assert.equal(done, 40);
  });

  it('does nothing before it has been put off', async () => {
    let ready = 0;
    const early: number[] = [];
    for (let number = 0; number < 70; number++) {
      atTurnEnd(() => {
        if (ready < number) early.push(number);
      });
      ready = number;
    }
    await nextTurn();
    assert.deepEqual(early, []);
  });

  it('leaves to the next turn what is put off meanwhile', async () => {
    const done: string[] = [];
    atTurnEnd(() => {
      done.push('first');
      atTurnEnd(() => done.push('second'));
    });
    await nextTurn();
    assert.deepEqual(done, ['first']);
    await nextTurn();
    assert.deepEqual(done, ['first', 'second']);
  });
});
