import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { Bulkhead } from './bulkhead.ts';
import { Scope } from './scope.ts';

function scopeOn(clock: VirtualClock): Scope {
  return new Scope(clock, true);
}

describe('Bulkhead', () => {
  it('lets as many calls in as it was told, and refuses the next at once without a queue', () => {
    const clock = new VirtualClock();
    const bulkhead = new Bulkhead({ clock, concurrent: 2 });
    assert.equal(bulkhead.enter(scopeOn(clock)), true);
    assert.equal(bulkhead.enter(scopeOn(clock)), true);
    assert.equal(bulkhead.enter(scopeOn(clock)), false);
    bulkhead.leave();
    assert.equal(bulkhead.enter(scopeOn(clock)), true);
    assert.equal(bulkhead.running, 2);
  });

  it('admits those who wait in the order of their coming, and never more than it was told', async () => {
    const clock = new VirtualClock();
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 3 });
    const order: number[] = [];
    bulkhead.tryEnter();
    const waits = [1, 2, 3].map(async (number) => {
      assert.equal(await bulkhead.enter(scopeOn(clock)), true);
      order.push(number);
    });
    assert.equal(bulkhead.enter(scopeOn(clock)), false, 'the queue is full');
    for (let left = 0; left < 3; left++) {
      assert.equal(bulkhead.running, 1);
      bulkhead.leave();
    }
    await Promise.all(waits);
    assert.deepEqual(order, [1, 2, 3]);
  });

  it('forgets a waiter who leaves, and gives the slot to the next', async () => {
    const clock = new VirtualClock();
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 3 });
    bulkhead.tryEnter();
    const scopes = [scopeOn(clock), scopeOn(clock), scopeOn(clock)];
    const waits = scopes.map((scope) => bulkhead.enter(scope));
    const reason = new Error('gone');
    scopes[1]?.cancel({ kind: 'caller', reason });
    assert.deepEqual(await waits[1], { kind: 'cancelled', reason });
    assert.equal(bulkhead.waiting, 2);
    bulkhead.leave();
    bulkhead.leave();
    assert.deepEqual(await Promise.all([waits[0], waits[2]]), [true, true]);
    assert.equal(bulkhead.waiting, 0);
  });

  it('lets who was admitted alone, though the time that he might have waited goes by', async () => {
    const clock = new VirtualClock();
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 1, waitMs: 50 });
    bulkhead.tryEnter();
    const first = bulkhead.enter(scopeOn(clock));
    bulkhead.leave();
    assert.equal(await first, true);
    await clock.advance(100);
    assert.equal(bulkhead.waiting, 0);
    const second = bulkhead.enter(scopeOn(clock));
    assert.equal(bulkhead.enter(scopeOn(clock)), false, 'the queue is as long as it was');
    bulkhead.leave();
    assert.equal(await second, true);
    assert.equal(bulkhead.running, 1);
  });

  it('gives the slot to who comes after the last one in the queue has left it', async () => {
    const clock = new VirtualClock();
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 2 });
    bulkhead.tryEnter();
    const leaver = scopeOn(clock);
    const waits = [bulkhead.enter(scopeOn(clock)), bulkhead.enter(leaver)];
    leaver.cancel({ kind: 'caller', reason: new Error('gone') });
    waits.push(bulkhead.enter(scopeOn(clock)));
    bulkhead.leave();
    bulkhead.leave();
    assert.deepEqual([await waits[0], await waits[2]], [true, true]);
  });

  it('lets nobody wait longer than waitMs', async () => {
    const clock = new VirtualClock();
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 1, waitMs: 50 });
    bulkhead.tryEnter();
    const wait = bulkhead.enter(scopeOn(clock));
    await clock.advance(50);
    assert.equal(await wait, false);
    assert.equal(bulkhead.waiting, 0);
    bulkhead.leave();
    assert.equal(bulkhead.running, 0, 'a waiter who was refused takes no slot');
  });

  it('refuses bounds that make no sense', () => {
    assert.throws(() => new Bulkhead({ concurrent: 0 }), /concurrent is 1 or more, not 0/);
    assert.throws(() => new Bulkhead({ queue: -1 }), /queue is 0 or more, not -1/);
  });
});
