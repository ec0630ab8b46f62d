/** What the guide says of the autoscaler: the algorithm that a local stack follows, run over loads that were recorded. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { drawnLoads, simulate } from '../../scripts/deploy/autoscaling-chart.ts';
import { readRecordedLoad } from '../../scripts/deploy/recorded-load.ts';
import type { LoadSample } from '../../scripts/deploy/recorded-load.ts';

const STEP_S = 15;
const RATE_STEPS = 120 / STEP_S;
const last = (counts: readonly number[]): number => counts.at(-1) ?? 0;
const most = (values: readonly number[]): number => Math.max(...values);
const [ramp, bursts] = [readRecordedLoad('ramp'), readRecordedLoad('bursts')];
const [, , multiplied] = drawnLoads();

function steady(requestsPerMinute: number): LoadSample[] {
  return Array.from({ length: 120 }, (_, at) => ({
    seconds: (at + 1) * STEP_S,
    requestsPerMinute,
    cores: 0.05,
    memoryMb: 200,
  }));
}

describe('the recorded loads', () => {
  for (const recorded of [ramp, bursts])
    it(`say of "${recorded.curve}" when, where and how it was recorded, and have no gap and no failed request`, () => {
      assert.match(recorded.recordedOn, /^\d{4}-\d\d-\d\d$/);
      assert.ok(recorded.machine.cores > 0 && recorded.machine.cpu !== '');
      assert.equal(recorded.command, `npm run record:load -- ${recorded.curve}`);
      assert.equal(recorded.failed, 0);
      assert.equal(recorded.everySeconds, STEP_S);
      assert.ok(recorded.samples.length > 20);
      for (const [index, sample] of recorded.samples.entries()) {
        assert.ok(Math.abs(sample.seconds - (index + 1) * STEP_S) <= 1, `sample ${index} at ${sample.seconds} s`);
        assert.ok(sample.requestsPerMinute > 0 && sample.cores > 0 && sample.memoryMb > 0);
      }
    });

  it('are what the guide says they are', () => {
    const guide = readFileSync(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8');
    const { samples } = ramp;
    const top = most(samples.map(({ requestsPerMinute }) => requestsPerMinute));
    const there = samples.find(({ requestsPerMinute }) => requestsPerMinute === top);
    assert.ok(
      guide.includes(
        `${top.toLocaleString('en')} requests a minute took two hubs ${there?.cores.toFixed(2)} of a core`,
      ),
      `the guide has the largest minute: ${top} requests, ${there?.cores} cores`,
    );
  });
});

describe('the simulated autoscaler', () => {
  it('has ten pods at 1,000 requests a minute by requests, and two by CPU and memory', () => {
    assert.equal(last(simulate(steady(1_000), true)), 10);
    assert.equal(last(simulate(steady(1_000), false)), 2);
    assert.equal(last(simulate(steady(210), true)), 2);
  });

  it('by requests takes every pod there may be for the recorded wave, and by CPU and memory none', () => {
    assert.equal(most(simulate(ramp.samples, true)), 10);
    for (const { samples } of [ramp, bursts]) assert.equal(most(simulate(samples, false)), 2);
  });

  it('by CPU and memory takes more pods for forty times as much', () => {
    const counts = simulate(multiplied?.samples ?? [], false);
    assert.ok(most(counts) > 2);
    assert.ok(last(counts) < most(counts), 'and gives them back');
  });

  it('goes up before the recorded load has passed, and down one pod a minute, from five minutes after the last wish', () => {
    const counts = simulate(ramp.samples, true);
    const over = ramp.samples.findIndex(({ requestsPerMinute }) => requestsPerMinute > 220);
    assert.ok((counts[over + RATE_STEPS] ?? 0) > 2, 'within the two minutes of its rate');
    const falls = counts.flatMap((count, step) => (step > 0 && count < (counts[step - 1] ?? 0) ? [step] : []));
    assert.ok(falls.length > 2);
    const lastWishOfTen = ramp.samples.findLastIndex((_, step) => meanBefore(ramp.samples, step) > 990);
    assert.ok((falls[0] ?? 0) - lastWishOfTen >= 300 / STEP_S, 'five minutes of what was wished last');
    for (const [index, step] of falls.entries()) {
      if (index > 0) assert.ok(step - (falls[index - 1] ?? 0) >= 60 / STEP_S, 'one a minute');
      assert.equal((counts[step - 1] ?? 0) - (counts[step] ?? 0), 1);
    }
  });
});

/** Requests a minute in the two minutes before. */
function meanBefore(samples: readonly LoadSample[], step: number): number {
  const lately = samples.slice(Math.max(0, step + 1 - RATE_STEPS), step + 1);
  return lately.reduce((sum, { requestsPerMinute }) => sum + requestsPerMinute, 0) / lately.length;
}
