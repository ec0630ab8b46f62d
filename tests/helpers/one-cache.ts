/** One cache with nothing beneath it, on a virtual clock, and factories that answer when told. */
import assert from 'node:assert/strict';
import { createCache } from '#cache/create';
import type { CacheOptions } from '#cache/options';
import { seededRandom } from '#core/random';
import { settle, VirtualClock } from './virtual-clock.ts';

export function setUp(options: Partial<CacheOptions> = {}) {
  const clock = new VirtualClock();
  const cache = createCache({
    namespace: 'test',
    clock,
    random: seededRandom(7),
    freeze: true,
    ...options,
    defaults: {
      jitter: 0,
      earlyRefreshFrom: 1,
      ttlMs: 1_000,
      swrMs: 1_000,
      staleOnErrorMs: 60_000,
      ...options.defaults,
    },
  });
  return { clock, cache };
}

/** Lets what is under way end, and then time go by. */
export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await settle();
  clock.jump(ms);
}

/** A factory that answers when told. */
export function held<T>() {
  const calls: PromiseWithResolvers<T>[] = [];
  const signals: AbortSignal[] = [];
  const factory = (context: { signal: AbortSignal }): Promise<T> => {
    const call = Promise.withResolvers<T>();
    calls.push(call);
    signals.push(context.signal);
    return call.promise;
  };
  const answer = (index: number): PromiseWithResolvers<T> => {
    const call = calls[index];
    assert.ok(call, `the factory was called ${calls.length} times`);
    return call;
  };
  return { factory, calls, signals, answer };
}
