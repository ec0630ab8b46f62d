/**
 * Many instances before one upstream, each with its own breaker and a word from its peers: a trip makes the others suspect, and
 * nothing more. From a seed, on a virtual clock; the word takes its time, and some of it is lost.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { Random } from '#core/random';
import { Breaker, BREAKER_DEFAULTS } from '#resilience/index';
import type { Transition } from '#resilience/index';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const STEP_MS = 100;
const SEEDS = [1, 2, 3, 4, 5];

interface Fleet {
  readonly breakers: readonly Breaker[];
  /** Calls that reached the upstream and failed. */
  readonly failures: number;
  readonly served: readonly number[];
  /** Each instance that `calls` makes a call every 100 ms; `fails` says whether the upstream fails it. */
  run(forMs: number, fails: Choice, calls?: Choice): Promise<void>;
}

type Choice = (instance: number) => boolean;

interface FleetOptions {
  readonly size: number;
  readonly random: Random;
  /** Until a peer hears of a trip; Infinity for instances that do not speak. */
  readonly wordMs: number;
  /** Share of the words that are lost. */
  readonly lost?: number;
}

function fleetOf({ size, random, wordMs, lost = 0 }: FleetOptions): Fleet {
  const clock = new VirtualClock();
  const served = Array.from({ length: size }, () => 0);
  let failures = 0;
  const tell = (from: number, { to, remainingMs }: Transition): void => {
    if (to !== 'open' || wordMs === Number.POSITIVE_INFINITY) return;
    for (const [to_, breaker] of breakers.entries()) {
      if (to_ === from || random.next() < lost) continue;
      const heard = (): void => breaker.markSuspect(remainingMs ?? 0);
      if (wordMs === 0) heard();
      else clock.schedule(wordMs, heard);
    }
  };
  const breakers = Array.from({ length: size }, (_, instance): Breaker => {
    const onTransition = (transition: Transition): void => tell(instance, transition);
    return new Breaker('upstream', BREAKER_DEFAULTS, { clock, random, onTransition });
  });
  return {
    breakers,
    served,
    get failures() {
      return failures;
    },
    async run(forMs, fails, calls = everyone) {
      for (let passed = 0; passed < forMs; passed += STEP_MS) {
        for (const [instance, breaker] of breakers.entries()) {
          if (!calls(instance)) continue;
          const asked = breaker.tryAcquire();
          if (!asked.granted) continue;
          if (fails(instance)) {
            failures++;
            asked.failure();
          } else {
            served[instance] = (served[instance] ?? 0) + 1;
            asked.success();
          }
        }
        await clock.advance(STEP_MS);
      }
    },
  };
}

const everyone = (): boolean => true;
const nobody = (): boolean => false;

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
