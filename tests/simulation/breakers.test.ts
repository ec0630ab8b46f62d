/**
 * Many instances before one upstream, each with its own breaker and a word from its peers: a trip makes the others suspect, and
 * nothing more unless `any` is configured. From a seed, on a virtual clock; the word takes its time, and some of it is lost.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { everyone, fleetOf, nobody } from './fleet.ts';

const SEEDS = [1, 2, 3, 4, 5];

describe('a hard outage before many instances', () => {
  for (const size of [2, 10, 100]) {
    it(`costs ${size} instances that speak ${size + 4} failed calls, and ${5 * size} without a word`, async () => {
      for (const seed of SEEDS) {
        const random = seededRandom(seed);
        const speaking = fleetOf({ size, random, wordMs: 0 });
        // The busiest meets the outage first; when it has tripped, each other one needs to see it once.
        await speaking.run(500, everyone, (instance) => instance === 0);
        await speaking.run(10_000, everyone);
        assert.equal(speaking.failures, size + 4, `seed ${seed}`);
        const silent = fleetOf({ size, random, wordMs: Number.POSITIVE_INFINITY });
        await silent.run(10_000, everyone);
        assert.equal(silent.failures, 5 * size, `seed ${seed}`);
      }
    });
  }

  for (const size of [2, 10, 100]) {
    it(`costs ${size} instances, of which any opens the circuits of all, 5 failed calls`, async () => {
      for (const seed of SEEDS) {
        const fleet = fleetOf({ size, random: seededRandom(seed), wordMs: 0, mode: 'any' });
        await fleet.run(500, everyone, (instance) => instance === 0);
        await fleet.run(10_000, everyone);
        assert.equal(fleet.failures, 5, `seed ${seed}`);
        assert.ok(fleet.breakers.every(({ state }) => state.kind === 'open'));
        await fleet.run(60_000, nobody);
        assert.ok(fleet.breakers.every(({ state }) => state.kind === 'closed'));
      }
    });
  }

  it('ends for all by itself, however many words were lost', async () => {
    for (const seed of SEEDS) {
      const fleet = fleetOf({ size: 10, random: seededRandom(seed), wordMs: 50, lost: 0.5 });
      await fleet.run(60_000, everyone);
      await fleet.run(300_000, nobody);
      assert.ok(
        fleet.breakers.every(({ state, suspect }) => state.kind === 'closed' && !suspect),
        `seed ${seed}`,
      );
    }
  });
});

describe('one sick instance', () => {
  it('does not silence the others, which go on as if nothing had been said', async () => {
    for (const seed of SEEDS) {
      const fleet = fleetOf({ size: 10, random: seededRandom(seed), wordMs: 0 });
      await fleet.run(120_000, (instance) => instance === 3);
      for (const [instance, served] of fleet.served.entries()) {
        assert.equal(served, instance === 3 ? 0 : 1_200, `seed ${seed}, instance ${instance}`);
      }
    }
  });
});
