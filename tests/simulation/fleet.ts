/**
 * Instances before one upstream on a virtual clock, each with its own breaker and a word from its peers: a trip makes the others suspect,
 * or opens their circuits too. There, each tries again by itself: what one lease for all would save is not in it.
 */
import type { Random } from '#core/random';
import { Breaker, BREAKER_DEFAULTS } from '#resilience/index';
import type { Transition } from '#resilience/index';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const STEP_MS = 100;

export interface Fleet {
  readonly breakers: readonly Breaker[];
  /** Calls that reached the upstream and failed. */
  readonly failures: number;
  readonly served: readonly number[];
  /** Each instance that `calls` makes a call every 100 ms; `fails` says whether the upstream fails it. */
  run(forMs: number, fails: Choice, calls?: Choice): Promise<void>;
}

export type Choice = (instance: number) => boolean;

interface FleetOptions {
  readonly size: number;
  readonly random: Random;
  /** Until a peer hears of a trip; Infinity for instances that do not speak. */
  readonly wordMs: number;
  /** Share of the words that are lost. */
  readonly lost?: number;
  readonly mode?: 'advise' | 'any';
}

export function fleetOf({ size, random, wordMs, lost = 0, mode = 'advise' }: FleetOptions): Fleet {
  const clock = new VirtualClock();
  const served = Array.from({ length: size }, () => 0);
  let failures = 0;
  let heeding = false;
  const tell = (from: number, { to, remainingMs }: Transition): void => {
    if (heeding || (to !== 'open' && to !== 'closed') || wordMs === Number.POSITIVE_INFINITY) return;
    for (const [to_, breaker] of breakers.entries()) {
      if (to_ === from || random.next() < lost) continue;
      const heard = (): void => {
        heeding = true;
        if (mode === 'any' && to === 'closed') breaker.recover();
        else if (mode === 'any') breaker.openFor(remainingMs ?? 0);
        else if (to === 'open') breaker.markSuspect(remainingMs ?? 0);
        heeding = false;
      };
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

export const everyone = (): boolean => true;
export const nobody = (): boolean => false;
