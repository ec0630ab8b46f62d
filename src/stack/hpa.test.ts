/** The autoscaler's decisions, as Kubernetes documents them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Hpa, hpaDefaults } from './hpa.ts';

const MINUTE = 60_000;
const metric = (value: number, target = 100) => ({ value, target });

describe('the autoscaler', () => {
  it('wants ceil(current × value / target), the largest of its metrics, within its bounds', () => {
    assert.equal(new Hpa().decide(0, 4, [metric(150)]), 6);
    assert.equal(new Hpa().decide(0, 4, [metric(101 * 1.3), metric(160)]), 7);
    assert.equal(new Hpa().decide(0, 8, [metric(1_000)]), hpaDefaults.max);
  });

  it('leaves things as they are within a tenth of the target', () => {
    for (const value of [91, 100, 109]) assert.equal(new Hpa().decide(0, 4, [metric(value)]), 4);
    assert.equal(new Hpa().decide(0, 4, [metric(112)]), 5);
  });

  it('goes up by no more than it has, or four', () => {
    assert.equal(new Hpa().decide(0, 2, [metric(500)]), 6);
    assert.equal(new Hpa({ ...hpaDefaults, max: 40 }).decide(0, 6, [metric(500)]), 12);
  });

  it('goes down only to the largest wish of five minutes, one at a time, one a minute', () => {
    const hpa = new Hpa();
    assert.equal(hpa.decide(0, 6, [metric(100)]), 6);
    assert.equal(hpa.decide(4 * MINUTE, 6, [metric(10)]), 6, 'six were wished four minutes ago');
    assert.equal(hpa.decide(5 * MINUTE + 1, 6, [metric(10)]), 5);
    assert.equal(hpa.decide(5 * MINUTE + 2, 5, [metric(10)]), 5, 'not twice in a minute');
    assert.equal(hpa.decide(6 * MINUTE + 2, 5, [metric(10)]), 4);
    let count = 4;
    for (let minute = 7; minute < 20; minute++) count = hpa.decide(minute * MINUTE + 10, count, [metric(1)]);
    assert.equal(count, hpaDefaults.min);
  });

  it('does not go down while a metric is not known, and goes up by the others', () => {
    const hpa = new Hpa({ ...hpaDefaults, scaleDownWindowMs: 0 });
    assert.equal(hpa.decide(0, 4, [metric(NaN), metric(1)]), 4);
    assert.equal(hpa.decide(0, 4, [metric(NaN), metric(200)]), 8);
    assert.equal(hpa.decide(MINUTE, 4, []), 4);
  });
});
