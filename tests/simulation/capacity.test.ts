/** What instances ask of what they share grows as docs/capacity.md says, and nothing that they ask goes uncounted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fleetSimulationPage, fullAt, readCosts, simulateFleet, SIZES } from '../../scripts/fleet-simulation.ts';

/** Times a second that each instance runs a script while nobody is served; pauses are drawn around a second, two and five. */
const EACH = {
  'instance-beat': [0.9, 1],
  'evidence-read': [0.16, 0.25],
  'ledger-beat': [0.45, 0.56],
  'ledger-take-dead': [0.45, 0.56],
  position: [0.9, 1.12],
} as const;

describe('a simulated fleet', () => {
  it('is the same from the same seed', async () => {
    assert.deepEqual(await simulateFleet(20, 7), await simulateFleet(20, 7));
    assert.notDeepEqual(await simulateFleet(20, 7), await simulateFleet(20, 8));
  });

  for (const size of [10, 100])
    it(`of ${size} runs at rest what each runs, ${size} times, and nothing else`, async () => {
      const { rest, outage } = await simulateFleet(size, 1);
      assert.deepEqual([...rest.keys()].toSorted(), Object.keys(EACH).toSorted());
      for (const [name, [least, most]] of Object.entries(EACH)) {
        const each = (rest.get(name) ?? 0) / size;
        assert.ok(each >= least && each <= most, `${name}: ${each} times a second`);
      }
      assert.deepEqual([...outage], [['evidence-tell', size]], 'each tells of an outage once');
    });
});

describe('the table of capacity', () => {
  it('is made for every size whose beats were measured, and names what breaks in order', async () => {
    assert.deepEqual(Object.keys(readCosts().beat).map(Number), [...SIZES]);
    const [figures = '', breaks = ''] = (await fleetSimulationPage()).split('\n\n');
    assert.equal(figures.split('\n').length, 2 + SIZES.length);
    const order = [...breaks.matchAll(/^\| ([\d,]+) \|/gm)].map(([, size = '']) => Number(size.replaceAll(',', '')));
    assert.equal(order.length, 6);
    assert.deepEqual(
      order,
      order.toSorted((one, other) => one - other),
    );
    assert.ok(order.every((size) => size > 0));
  });

  it('finds where a share reaches all of it, between sizes and beyond them', () => {
    assert.equal(fullAt([[10, 2]]), 5);
    assert.equal(
      fullAt([
        [10, 0.1],
        [100, 1.9],
      ]),
      55,
    );
    assert.equal(
      fullAt([
        [10, 0.1],
        [100, 0.5],
        [300, 0.7],
      ]),
      600,
    );
  });
});
