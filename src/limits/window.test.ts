/** The sliding window: never over its limit in any interval, never far below it where there is demand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SHARES, SLOTS, SLOTS_MAX, SlidingWindow } from './window.ts';

const WINDOW_MS = 60_000;

/** Asks at each moment and takes what there is; the moments at which something was let in. */
function admitted(moments: readonly number[], max: number, window = new SlidingWindow(WINDOW_MS)): number[] {
  return moments.filter((at) => {
    if (window.waitMs(1, max, at) > 0) return false;
    window.add(1, max, at);
    return true;
  });
}

/** The most, and the fewest, in any interval that lies within the times. */
function extremes(times: readonly number[], fromMs: number, toMs: number): { most: number; fewest: number } {
  const within = (from: number): number => times.filter((at) => at >= from && at < from + WINDOW_MS).length;
  const most = Math.max(0, ...times.map(within));
  const starts = [fromMs, ...times.map((at) => at + 1)].filter((from) => from + WINDOW_MS <= toMs);
  return { most, fewest: Math.min(...starts.map(within)) };
}

describe('a sliding window', () => {
  it('lets no interval of its length hold more than the limit, whatever comes when', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 9_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 40 }), (steps, max) => {
        let at = 0;
        const moments = steps.map((step) => (at += step));
        assert.ok(extremes(admitted(moments, max), 0, at).most <= max);
      }),
      { numRuns: 200 },
    );
  });

  it('lets 594 to 600 of 600 a minute in where more than that ask without end, from a burst on', () => {
    const moments = Array.from({ length: 12_000 }, (_, number) => number * 15 + 7);
    const { most, fewest } = extremes(admitted(moments, 600), 0, 180_000);
    assert.ok(most <= 600, `${most} at most`);
    assert.ok(fewest >= 594, `${fewest} at least`);
  });

  it('says when there is room, and there is', () => {
    const window = new SlidingWindow(WINDOW_MS);
    admitted([0, 10, 20], 3, window);
    assert.equal(window.waitMs(1, 3, 30), WINDOW_MS - 30);
    assert.equal(window.waitMs(1, 3, WINDOW_MS), 0);
    assert.equal(window.waitMs(4, 3, WINDOW_MS), Number.POSITIVE_INFINITY);
  });

  it('takes a correction of what still counts, and of nothing else', () => {
    const window = new SlidingWindow(WINDOW_MS);
    const first = window.add(50, 100, 0);
    const second = window.add(30, 100, 1_000);
    window.amend(second, -20);
    assert.equal(window.used(1_000), 60);
    assert.equal(window.used(WINDOW_MS), 10);
    window.amend(first, 500);
    assert.equal(window.used(WINDOW_MS), 10);
  });

  it('keeps no more slots than its sixtieths and the shares of its limit', () => {
    const window = new SlidingWindow(WINDOW_MS);
    const marks = new Set(Array.from({ length: 5_000 }, (_, number) => window.add(1, 5_000, number * 11)));
    assert.ok(marks.size <= 60 + SHARES + 1, `${marks.size} slots`);
  });

  it('keeps few slots also where calls turn out to be far smaller than was thought', () => {
    const window = new SlidingWindow(WINDOW_MS);
    const [estimate, max] = [1_500, 100_000];
    const marks = new Set<number>();
    for (let number = 0; number < 5_000; number++) {
      assert.equal(window.waitMs(estimate, max, number * 11), 0);
      const mark = window.add(estimate, max, number * 11);
      window.amend(mark, 1 - estimate);
      marks.add(mark);
    }
    assert.equal(window.used(5_000 * 11), 5_000);
    assert.ok(marks.size <= SLOTS_MAX + SLOTS, `${marks.size} slots`);
  });
});
