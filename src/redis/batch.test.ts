import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createConvoy } from './batch.ts';

/** Calls that are answered by hand. */
function calls() {
  const sent: { readonly requests: readonly number[]; answer(): void; fail(): void }[] = [];
  const ask = createConvoy<number, number>(
    (requests) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(requests.map((request) => request * 10));
        sent.push({ requests, answer, fail: () => reject(new Error('gone')) });
      }),
  );
  return { sent, ask };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a convoy', () => {
  it('sends at once what comes alone, and together what comes while that is under way', async () => {
    const { sent, ask } = calls();
    const first = ask(1);
    await turn();
    const others = [ask(2), ask(3)];
    await turn();
    others.push(ask(4));
    assert.deepEqual(
      sent.map(({ requests }) => requests),
      [[1]],
    );
    sent[0]?.answer();
    assert.equal(await first, 10);
    await turn();
    assert.deepEqual(sent[1]?.requests, [2, 3, 4]);
    sent[1]?.answer();
    assert.deepEqual(await Promise.all(others), [20, 30, 40]);
    const late = ask(5);
    await turn();
    sent[2]?.answer();
    assert.equal(await late, 50);
  });

  it('takes 32 along at the most, and waits for nobody once it is full', async () => {
    const { sent, ask } = calls();
    const all = Promise.all(Array.from({ length: 70 }, (_, number) => ask(number)));
    await turn();
    assert.deepEqual(
      sent.map(({ requests }) => requests.length),
      [32, 32],
    );
    sent[1]?.answer();
    await turn();
    assert.equal(sent.length, 2, 'the first is under way');
    sent[0]?.answer();
    await turn();
    assert.equal(sent[2]?.requests.length, 6);
    sent[2]?.answer();
    assert.deepEqual(
      await all,
      Array.from({ length: 70 }, (_, number) => number * 10),
    );
  });

  it('rejects with a call those that wait for it, which are not sent, and goes on with the next', async () => {
    const { sent, ask } = calls();
    const first = assert.rejects(ask(1), /gone/);
    await turn();
    const waiting = assert.rejects(ask(2), /gone/);
    sent[0]?.fail();
    await Promise.all([first, waiting]);
    assert.equal(sent.length, 1);
    const next = ask(3);
    await turn();
    sent[1]?.answer();
    assert.equal(await next, 30);
  });
});
