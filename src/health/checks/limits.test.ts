/** What the check of limits says of each way of counting. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { limitsCheck } from './limits.ts';

it('the check of limits says what share an instance allows while Redis is away, whatever their number', async () => {
  for (const [dividedBy, words] of [
    [1, 'the whole of each limit'],
    [2, '1/2 of each limit'],
    [3, '1/3 of each limit'],
  ] as const) {
    const { status, detail } = await limitsCheck({ mode: () => ({ mode: 'share', dividedBy }) }).check(
      new AbortController().signal,
    );
    assert.deepEqual([status, detail], ['degraded', `Redis does not answer: this instance allows ${words}.`]);
  }
});
