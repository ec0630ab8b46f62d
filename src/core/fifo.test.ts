import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Fifo } from './fifo.ts';

it('gives what came in its order, over any number, and says what waits', () => {
  const queue = new Fifo<{ readonly number: number }>();
  const expected: number[] = [];
  let next = 0;
  const push = (count: number): void => {
    for (let at = 0; at < count; at++) {
      queue.push({ number: next });
      expected.push(next++);
    }
  };
  const take = (count: number): void => {
    for (let at = 0; at < count; at++) assert.equal(queue.take()?.number, expected.shift());
  };
  assert.equal(queue.take(), undefined);
  for (const [coming, going] of [
    [3, 1],
    [3_000, 1_500],
    [10, 1_000],
    [0, 512],
  ] as const) {
    push(coming);
    take(going);
    assert.equal(queue.size, expected.length);
    assert.equal(queue.first?.number, expected[0]);
    assert.deepEqual(
      queue.list().map(({ number }) => number),
      expected,
    );
  }
  assert.equal(queue.take(), undefined);
  push(2);
  assert.equal(queue.list(1)[0]?.number, expected[0]);
});

it('puts one in the place of another', () => {
  const queue = new Fifo<{ readonly name: string }>();
  const second = { name: 'b' };
  for (const item of [{ name: 'a' }, second, { name: 'c' }]) queue.push(item);
  queue.take();
  assert.equal(queue.replace(second, { name: 'B' }), true);
  assert.equal(queue.replace(second, { name: 'nobody' }), false, 'it waits no more');
  assert.deepEqual(
    queue.list().map(({ name }) => name),
    ['B', 'c'],
  );
});
