/** What is asked for together goes together, as far as its bounds let it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBatch, createConvoy } from './batch.ts';

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

  it('leaves while another is under way as soon as it is full', async () => {
    const { sent, ask } = calls();
    const all = [ask(0)];
    await turn();
    for (let number = 1; number <= 31; number++) all.push(ask(number));
    await turn();
    assert.equal(sent.length, 1);
    all.push(ask(32));
    assert.equal(sent[1]?.requests.length, 32);
    for (const { answer } of sent) answer();
    assert.deepEqual(
      await Promise.all(all),
      Array.from({ length: 33 }, (_, number) => number * 10),
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

describe('a batch', () => {
  const KIB = 1024;

  /** Requests are their own sizes, in KiB. */
  function sizes() {
    const sent: (readonly number[])[] = [];
    const ask = createBatch<number, string>(
      async (requests) => {
        sent.push(requests);
        if (requests.includes(13)) throw new Error('gone');
        return requests.map((request) => `answer to ${request}`);
      },
      (request) => request * KIB,
    );
    return { sent, ask };
  }

  it('takes along what is asked for in one turn, and answers each; the next turn has its own', async () => {
    const { sent, ask } = sizes();
    const inTurn = [ask(1), Promise.resolve().then(() => ask(2)), ask(3)];
    assert.deepEqual(await Promise.all(inTurn), ['answer to 1', 'answer to 2', 'answer to 3']);
    assert.equal(await ask(4), 'answer to 4');
    assert.deepEqual(sent, [[1, 3, 2], [4]]);
  });

  it('takes 16 along at the most, and 256 KiB; what is larger goes alone', async () => {
    const { sent, ask } = sizes();
    await Promise.all(Array.from({ length: 33 }, () => ask(0)));
    assert.deepEqual(
      sent.splice(0).map(({ length }) => length),
      [16, 16, 1],
    );
    await Promise.all([200, 56, 1, 255, 300, 2, 3].map(ask));
    assert.deepEqual(sent, [[200, 56], [1, 255], [300], [2, 3]]);
  });

  it('rejects for all that it took along, and for nobody else', async () => {
    const { ask } = sizes();
    const ended = await Promise.allSettled([ask(250), ask(13), ask(5), ask(300)]);
    assert.deepEqual(
      ended.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
    assert.equal(await ask(6), 'answer to 6');
  });
});
