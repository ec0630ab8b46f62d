import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { whenSettled } from './settled.ts';

describe('a callback at the end of work', () => {
  it('runs once, before whoever waits, and changes nothing of a result', async () => {
    const seen: string[] = [];
    const work = Promise.resolve('done');
    assert.equal(
      whenSettled(work, () => seen.push('ended')),
      work,
    );
    seen.push(await work);
    assert.deepEqual(seen, ['ended', 'done']);
  });

  it('runs where the work fails, and the failure stays', async () => {
    let ended = 0;
    const failure = new Error('no');
    await assert.rejects(
      whenSettled(Promise.reject(failure), () => ended++),
      failure,
    );
    assert.equal(ended, 1);
  });
});
