import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Timer } from '#core/clock';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { TimerQueue } from './timer-queue.ts';

describe('TimerQueue', () => {
  it('rings every entry that was not removed, at its own time, with one timer at most', async () => {
    const step = fc.record({ afterMs: fc.integer({ min: 0, max: 120 }), removes: fc.option(fc.nat(30)) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const clock = new VirtualClock();
        const queue = new TimerQueue(clock, 100);
        const entries: { at: number; timer: Timer; removedAt: number; rangAt: number[] }[] = [];
        for (const { afterMs, removes } of steps) {
          await clock.advance(afterMs);
          const rangAt: number[] = [];
          const at = clock.now();
          entries.push({ at, timer: queue.add(() => rangAt.push(clock.now())), removedAt: Infinity, rangAt });
          const removed = removes === null ? undefined : entries[removes];
          if (removed !== undefined) {
            removed.timer.cancel();
            removed.removedAt = Math.min(removed.removedAt, clock.now());
          }
          assert.ok(clock.pending <= 1);
        }
        await clock.advance(300);
        for (const { at, removedAt, rangAt } of entries) {
          assert.deepEqual(rangAt, removedAt < at + 100 ? [] : [at + 100]);
        }
        assert.equal(clock.pending, 0);
      }),
      { seed: 20_261_123, numRuns: 200 },
    );
  });

  it('lets go of its timer when it is closed', () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock, 100);
    queue.add(() => assert.fail('it is closed'));
    queue.close();
    assert.equal(clock.pending, 0);
  });

  it('lets a callback add and remove entries while it rings', async () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock, 10);
    const rang: string[] = [];
    const second: Timer[] = [];
    queue.add(() => {
      rang.push('first');
      second[0]?.cancel();
      queue.add(() => rang.push('third'));
    });
    second.push(queue.add(() => rang.push('second')));
    await clock.advance(20);
    assert.deepEqual(rang, ['first', 'third']);
  });

  it('rings what stood in it before at its own time, whatever a callback adds', async () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock, 100);
    const rang: [string, number][] = [];
    const renew = (): void => {
      rang.push(['renewed', clock.now()]);
      if (clock.now() < 300) queue.add(renew);
    };
    queue.add(renew);
    await clock.advance(1);
    queue.add(() => rang.push(['once', clock.now()]));
    await clock.advance(500);
    assert.deepEqual(rang, [
      ['renewed', 100],
      ['once', 101],
      ['renewed', 200],
      ['renewed', 300],
    ]);
    assert.equal(clock.pending, 0);
  });
});
