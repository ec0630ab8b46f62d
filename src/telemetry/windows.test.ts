/** The windows of the last minute against a plain list of what was recorded, over many seeds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { LatencyWindow } from './histogram.ts';
import { RateWindow } from './rate-window.ts';

const SEEDS = Array.from({ length: 50 }, (_, index) => index + 1);
const second = (ms: number): number => Math.floor(ms / 1000);

describe('the windows of the last minute', () => {
  it('count what happened in the last sixty seconds, whatever the pauses', () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const clock = new VirtualClock();
      const window = new RateWindow();
      const moments: number[] = [];
      for (let step = 0; step < 400; step++) {
        // Mostly close together, now and then longer than the whole window.
        clock.jump(Math.floor(random.next() < 0.02 ? random.next() * 200_000 : random.next() * 2_000));
        moments.push(clock.now());
        window.add(clock.now());
        const expected = moments.filter((moment) => second(moment) > second(clock.now()) - 60).length;
        assert.equal(window.sum(clock.now()), expected, `seed ${seed}, step ${step}`);
      }
    }
  });

  it('tell percentiles within 5 % from 0.01 ms to twenty minutes, and forget what is older', () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed);
      const clock = new VirtualClock();
      const window = new LatencyWindow();
      window.record(1_000_000, clock.now());
      clock.jump(60_000);
      assert.equal(window.percentiles(clock.now()), null, 'a minute later it is forgotten');
      const values = Array.from({ length: 500 }, () => 0.011 * 10 ** (random.next() * 8));
      for (const value of values) {
        clock.jump(100);
        window.record(value, clock.now());
      }
      const sorted = values.toSorted((one, other) => one - other);
      const told = window.percentiles(clock.now()) ?? assert.fail('nothing was recorded');
      for (const [share, value] of [
        [0.5, told.p50Ms],
        [0.95, told.p95Ms],
        [0.99, told.p99Ms],
      ] as const) {
        const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
        // Half a bucket, and the rounding to three digits.
        assert.ok(Math.abs(value / exact - 1) <= 0.055, `seed ${seed}: ${share} is ${exact}, told ${value}`);
      }
    }
  });

  it('take what is shorter or longer than their buckets into the outermost', () => {
    const window = new LatencyWindow();
    for (const value of [0, 0.001]) window.record(value, 0);
    assert.ok((window.percentiles(0)?.p99Ms ?? 1) <= 0.01);
    const long = new LatencyWindow();
    long.record(Number.MAX_SAFE_INTEGER, 0);
    assert.ok((long.percentiles(0)?.p50Ms ?? 0) > 1_000_000);
  });
});
