/** What the guide says of the autoscaler: the algorithm that a local stack follows, run over loads. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { simulate } from '../../scripts/deploy/autoscaling-chart.ts';

const steady = (perMinute: number) => ({ minutes: 30, at: () => perMinute });
const last = (counts: readonly number[]): number => counts.at(-1) ?? 0;

describe('the simulated autoscaler', () => {
  it('has ten pods at 1,000 requests a minute by requests, and two by CPU and memory', () => {
    assert.equal(last(simulate(steady(1_000), true)), 10);
    assert.equal(last(simulate(steady(1_000), false)), 2);
  });

  it('by CPU and memory has a third pod only above 92,000 requests a minute', () => {
    assert.equal(last(simulate(steady(92_000), false)), 2);
    assert.equal(last(simulate(steady(94_000), false)), 3);
  });

  it('goes up within a minute of a burst, and down one pod a minute from five minutes after it', () => {
    const counts = simulate({ minutes: 60, at: (minute) => (minute >= 10 && minute < 20 ? 2_500 : 150) }, true);
    assert.equal(counts[10 * 4 - 1], 2);
    assert.ok((counts[11 * 4] ?? 0) > 2);
    assert.equal(counts[20 * 4], 10);
    const falls = counts.flatMap((count, step) => (step > 0 && count < (counts[step - 1] ?? 0) ? [step] : []));
    assert.ok((falls[0] ?? 0) >= 25 * 4, 'five minutes of what was wished last');
    for (const [index, step] of falls.entries()) {
      if (index > 0) assert.ok(step - (falls[index - 1] ?? 0) >= 4, 'one a minute');
      assert.equal((counts[step - 1] ?? 0) - (counts[step] ?? 0), 1);
    }
    assert.equal(last(counts), 2);
  });
});
