/** How long a value is good for what, and what its factory may say about that. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { held, pass, setUp } from '../../tests/helpers/one-cache.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import type { Cache } from './cache.ts';
import { CacheFactoryError, FactoryTimeoutError } from './context.ts';
import type { FactoryContext } from './context.ts';
import { createCache } from './create.ts';
import { CacheValueError } from './json.ts';
import { MemoryTier } from './memory-tier.ts';

describe('time', () => {
  it('a stale value is served at once while one call refreshes it', async () => {
    const { cache, clock } = setUp();
    await cache.getOrSet('k', () => 1);
    await pass(clock, 1_500);
    const { factory, calls, answer } = held<number>();
    for (let each = 0; each < 5; each++) assert.equal(await cache.getOrSet('k', factory), 1);
    assert.equal(calls.length, 1);
    answer(0).resolve(2);
    await settle();
    assert.equal(await cache.getOrSet('k', factory), 2);
    assert.equal(cache.stats().staleServed, 5);
  });

  it('past that, a caller waits for the soft timeout, takes the copy, and the value arrives for the next', async () => {
    const { cache, clock } = setUp();
    await cache.getOrSet('k', () => 1);
    await pass(clock, 5_000);
    const { factory, answer } = held<number>();
    const caller = cache.getOrSet('k', factory);
    let answered = false;
    void caller.then(() => (answered = true)); // oxlint-disable-line no-return-assign -- the answer is what is looked at
    await clock.advance(149);
    assert.equal(answered, false);
    await clock.advance(1);
    assert.equal(await caller, 1);
    answer(0).resolve(2);
    await settle();
    assert.equal(cache.peek('k'), 2);
  });

  it('a failure is covered by the copy, and the factory then left alone for 30 s', async () => {
    const { cache, clock } = setUp();
    await cache.getOrSet('k', () => 1);
    await pass(clock, 5_000);
    let calls = 0;
    const failing = (): number => {
      calls++;
      throw new Error('down');
    };
    for (let each = 0; each < 10; each++) {
      assert.equal(await cache.getOrSet('k', failing), 1);
      await pass(clock, 2_999);
    }
    assert.equal(calls, 1);
    await pass(clock, 100);
    assert.equal(await cache.getOrSet('k', failing), 1);
    assert.equal(calls, 2);
    await pass(clock, 60_000);
    await assert.rejects(cache.getOrSet('k', failing), /down/);
  });

  it('and so it is where the copy lies in a tier beneath alone, until somebody expires it by hand', async () => {
    const clock = new VirtualClock();
    const tier = new MemoryTier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 });
    const defaults = { swrMs: 0, staleOnErrorMs: 600_000 };
    const { cache } = setUp({ clock, tiers: [tier], memory: { entryBytesMax: 10 }, defaults });
    let calls = 0;
    const failing = (): string => {
      calls++;
      throw new Error('down');
    };
    await cache.set('k', 'a long value');
    await pass(clock, 1_001);
    const ask = async (): Promise<number> => {
      assert.equal(await cache.getOrSet('k', failing), 'a long value');
      return calls;
    };
    for (let each = 0; each < 3; each++) {
      assert.equal(await ask(), 1);
      await pass(clock, 9_999);
    }
    assert.equal(await ask(), 1);
    await cache.expire('k');
    assert.equal(await ask(), 2);
    await pass(clock, 30_001);
    assert.equal(await ask(), 3);
    assert.equal(await cache.getOrSet('k', () => 'another long value', { retryAfterFailureMs: 0 }), 'a long value');
    await pass(clock, 30_001);
    assert.equal(await cache.getOrSet('k', () => 'another long value'), 'another long value');
  });

  it('the hard timeout aborts the factory and tells the caller', async () => {
    const { cache, clock } = setUp();
    const { factory, signals, answer } = held<number>();
    const caller = cache.getOrSet('k', factory);
    const told = assert.rejects(caller, FactoryTimeoutError);
    await clock.advance(10_000);
    await told;
    assert.equal(signals[0]?.aborted, true);
    answer(0).resolve(1);
    await settle();
    assert.equal(cache.peek('k'), undefined);
    assert.equal(clock.pending, 0);
  });

  it('hard timeouts of different lengths each hold, and leave no timer for every value that came in time', async () => {
    const { cache, clock } = setUp();
    const limits = [20_000, 10_000, 30_000];
    for (let each = 0; each < 300; each++)
      await cache.getOrSet(`k${each}`, () => each, { hardTimeoutMs: limits[each % 3] ?? 0 });
    assert.ok(clock.pending <= limits.length, `${clock.pending} timers`);
    const { factory } = held<number>();
    const endedAt = new Map<number, number>();
    for (const hardTimeoutMs of limits) {
      const caller = cache.getOrSet(`held for ${hardTimeoutMs}`, factory, { hardTimeoutMs });
      void assert.rejects(caller, FactoryTimeoutError).then(() => endedAt.set(hardTimeoutMs, clock.now()));
    }
    await clock.advance(30_000);
    assert.deepEqual(
      [...endedAt],
      limits.toSorted((one, other) => one - other).map((limitMs) => [limitMs, limitMs]),
    );
    await cache.close();
    assert.equal(clock.pending, 0);
  });

  it('the hard timeout of a refresh leaves the copy', async () => {
    const { cache, clock } = setUp();
    await cache.getOrSet('k', () => 1);
    await pass(clock, 5_000);
    const { factory } = held<number>();
    const caller = cache.getOrSet('k', factory, { softTimeoutMs: 20_000 });
    await clock.advance(10_000);
    assert.equal(await caller, 1);
  });

  it('what takes long to make is refreshed before its end, by one caller, while all others are answered', async () => {
    const { cache, clock } = setUp({ defaults: { earlyRefreshFrom: 0.8 } });
    let calls = 0;
    const slow = async (): Promise<number> => {
      calls++;
      await clock.sleep(400);
      return calls;
    };
    const first = cache.getOrSet('k', slow);
    await clock.advance(400);
    assert.equal(await first, 1);
    await clock.advance(799);
    for (let each = 0; each < 50; each++) assert.equal(await cache.getOrSet('k', slow), 1);
    assert.equal(calls, 1);
    await clock.advance(150);
    for (let each = 0; each < 50; each++) assert.equal(await cache.getOrSet('k', slow), 1);
    assert.equal(calls, 2);
    await clock.advance(400);
    assert.equal(cache.peek('k'), 2);
    assert.equal(cache.stats().earlyRefreshes, 1);
  });

  for (const [how, keep] of [
    ['made', (cache: Cache, key: string) => cache.getOrSet(key, () => key)],
    ['set', (cache: Cache, key: string) => cache.set(key, key)],
  ] as const)
    it(`what was ${how} together does not end together`, async () => {
      const { cache, clock } = setUp({ defaults: { jitter: 0.1 } });
      for (let each = 0; each < 100; each++) await keep(cache, `k${each}`);
      const fresh = (): number =>
        Array.from({ length: 100 }, (_, each) => cache.peek(`k${each}`)).filter((v) => v !== undefined).length;
      await pass(clock, 899);
      assert.equal(fresh(), 100);
      await pass(clock, 101);
      assert.ok(fresh() > 20 && fresh() < 80, `${fresh()} of 100`);
      await pass(clock, 101);
      assert.equal(fresh(), 0);
    });
});

describe('what a factory may say', () => {
  it('skip: its waiters get the value, and it is not stored', async () => {
    const { cache } = setUp();
    const date = await cache.getOrSet('k', (fill) => {
      fill.skip();
      return new Date(0);
    });
    assert.ok(date instanceof Date);
    assert.equal(cache.peek('k'), undefined);
  });

  it('what is not to be kept is given to nobody who comes after it, however soon', async () => {
    const { cache } = setUp();
    let calls = 0;
    const skipped = ({ skip }: FactoryContext): number => {
      skip();
      return ++calls;
    };
    for (const expected of [1, 2]) assert.equal(await cache.getOrSet('skipped', skipped), expected);
    const never = { ttlMs: 0, swrMs: 0, staleOnErrorMs: 0 };
    for (const expected of [3, 4]) assert.equal(await cache.getOrSet('never', () => ++calls, never), expected);
  });

  it('negative: kept for 5 s, and never served stale', async () => {
    const { cache, clock } = setUp();
    let calls = 0;
    const missing = (context: { negative(): void }): null => {
      calls++;
      if (calls > 1) throw new Error('down');
      context.negative();
      return null;
    };
    await cache.getOrSet('k', missing);
    await pass(clock, 4_999);
    assert.equal(await cache.getOrSet('k', missing), null);
    await pass(clock, 1);
    await assert.rejects(cache.getOrSet('k', missing), /down/);
  });

  it('notModified: the stale value for another lifetime', async () => {
    const { cache, clock } = setUp();
    await cache.set('k', { etag: 'a' });
    await pass(clock, 3_000);
    const value = await cache.getOrSet('k', (context) => context.notModified());
    assert.deepEqual(value, { etag: 'a' });
    assert.deepEqual(cache.peek('k'), { etag: 'a' });
    await assert.rejects(
      cache.getOrSet('other', (context) => context.notModified()),
      CacheFactoryError,
    );
  });

  it('setAge, which the value has in every instance and which does not shorten its time', async () => {
    const clock = new VirtualClock();
    const shared = new MemoryTier(clock, { bytesMax: 1_000_000, entryBytesMax: 1_000_000 });
    const open = () => createCache({ namespace: 'n', clock, tiers: [shared], defaults: { ttlMs: 1_000, jitter: 0 } });
    const [one, other] = [open(), open()];
    await one.getOrSet('k', ({ setAge }) => {
      setAge(9_000);
      return 1;
    });
    await pass(clock, 300);
    assert.equal(await other.get('k'), 1);
    for (const cache of [one, other]) assert.deepEqual(cache.life('k'), { ageMs: 9_300, ttlMs: 700 });
    await pass(clock, 701);
    assert.deepEqual([one.peek('k'), await other.get('k')], [undefined, undefined]);
    for (const ageMs of [-1, Number.NaN])
      await assert.rejects(
        one.getOrSet('x', ({ setAge }) => setAge(ageMs)),
        RangeError,
      );
    await Promise.all([one.close(), other.close()]);
  });

  it('setTtl and fail', async () => {
    const { cache, clock } = setUp();
    await cache.getOrSet('k', (context) => {
      context.setTtl(50);
      return 1;
    });
    await pass(clock, 51);
    assert.equal(cache.peek('k'), undefined);
    await pass(clock, 2_000);
    assert.equal(await cache.getOrSet('k', (context) => context.fail('upstream said no')), 1);
    await assert.rejects(
      cache.getOrSet('other', (context) => context.fail('upstream said no')),
      /upstream said no/,
    );
  });

  it('a value that JSON would change is an error that no stale copy hides', async () => {
    const { cache, clock } = setUp();
    await cache.set('k', 1);
    await pass(clock, 5_000);
    await assert.rejects(
      cache.getOrSet<unknown>('k', () => ({ at: new Date(0) })),
      CacheValueError,
    );
    await assert.rejects(cache.set('k', undefined), CacheValueError);
  });
});
