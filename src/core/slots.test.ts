import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Slots } from './slots.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

describe('slots', () => {
  it('holds what has come and not left, whatever the order of leaving, and gives places again', () => {
    const slots = new Slots<string>();
    const places = ['a', 'b', 'c', 'd'].map((item) => slots.add(item));
    for (const at of [1, 3, 0]) slots.leave(places[at] ?? -1);
    assert.equal(slots.size, 1);
    assert.deepEqual([...slots], ['c']);
    const again = ['e', 'f', 'g'].map((item) => slots.add(item));
    assert.deepEqual(new Set(again), new Set([0, 1, 3]));
    assert.deepEqual([...slots].toSorted(), ['c', 'e', 'f', 'g']);
  });

  it('keeps nothing of what has left', () => {
    const slots = new Slots<object>();
    const left = Array.from({ length: 100 }, () => {
      const item = {};
      slots.leave(slots.add(item));
      return new WeakRef(item);
    });
    return new Promise<void>((resolve) => {
      // A WeakRef holds on until the turn in which it was made has ended.
      setImmediate(() => {
        collect();
        assert.equal(left.filter((ref) => ref.deref() !== undefined).length, 0);
        resolve();
      });
    });
  });
});
