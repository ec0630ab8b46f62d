/** One process, no tier beneath: who runs the factory, who gets what, and what an invalidation leaves. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { CacheClosedError } from './cache.ts';
import { CacheFactoryError, FactoryTimeoutError } from './context.ts';
import { createCache } from './create.ts';
import { CacheValueError } from './json.ts';
import type { CacheOptions } from './options.ts';

function setUp(options: Partial<CacheOptions> = {}) {
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
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await settle();
  clock.jump(ms);
}

/** A factory that answers when told. */
function held<T>() {
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

describe('one factory call', () => {
  it('for 1,000 callers of a missing key, who all get its value', async () => {
    const { cache } = setUp();
    const { factory, calls, answer } = held<{ n: number }>();
    const callers = Array.from({ length: 1_000 }, () => cache.getOrSet('k', factory));
    await settle();
    answer(0).resolve({ n: 1 });
    for (const value of await Promise.all(callers)) assert.deepEqual(value, { n: 1 });
    assert.deepEqual(await cache.getOrSet('k', factory), { n: 1 });
    assert.equal(calls.length, 1);
    assert.equal(cache.stats().shared, 999);
  });

  it('whose throw reaches every waiter once, and the next caller calls again', async () => {
    const { cache } = setUp();
    const { factory, calls, answer } = held<number>();
    const callers = Array.from({ length: 1_000 }, () => cache.getOrSet('k', factory));
    await settle();
    answer(0).reject(new Error('upstream'));
    const outcomes = await Promise.allSettled(callers);
    assert.ok(outcomes.every((each) => each.status === 'rejected' && /upstream/.test(String(each.reason))));
    assert.equal(calls.length, 1);
    const next = cache.getOrSet('k', factory);
    await settle();
    answer(1).resolve(2);
    assert.equal(await next, 2);
  });

  it('again for a caller who asks again as soon as it was told of the failure', async () => {
    const { cache } = setUp();
    let calls = 0;
    const factory = (): number => {
      if (++calls === 1) throw new Error('hiccup');
      return calls;
    };
    assert.equal(await cache.getOrSet('k', factory).catch(() => cache.getOrSet('k', factory)), 2);
  });

  it('in none of the async contexts of its callers', async () => {
    const { cache } = setUp();
    const context = new AsyncLocalStorage<string>();
    const seen = await context.run('caller', () => cache.getOrSet('k', () => context.getStore() ?? 'nothing'));
    assert.equal(seen, 'nothing');
  });
});

describe('a caller who leaves', () => {
  it('detaches only itself', async () => {
    const { cache } = setUp();
    const { factory, calls, signals, answer } = held<number>();
    const leaver = new AbortController();
    const left = cache.getOrSet('k', factory, { signal: leaver.signal });
    const stayed = cache.getOrSet('k', factory, { signal: new AbortController().signal });
    await settle();
    leaver.abort(new Error('gone home'));
    await assert.rejects(left, /gone home/);
    assert.equal(signals[0]?.aborted, false);
    answer(0).resolve(1);
    assert.equal(await stayed, 1);
    assert.equal(calls.length, 1);
  });

  it('as the last one, aborts the factory; who comes then begins anew', async () => {
    const { cache } = setUp();
    const { factory, calls, signals, answer } = held<number>();
    const leavers = [new AbortController(), new AbortController()];
    const left = leavers.map(({ signal }) => cache.getOrSet('k', factory, { signal }));
    await settle();
    for (const leaver of leavers) leaver.abort(new Error('gone home'));
    for (const each of left) await assert.rejects(each, /gone home/);
    assert.equal(signals[0]?.aborted, true);
    const next = cache.getOrSet('k', factory);
    await settle();
    answer(0).resolve(1);
    answer(1).resolve(2);
    assert.equal(await next, 2);
    assert.equal(cache.peek('k'), 2);
    assert.equal(calls.length, 2);
  });

  it('before it came, calls nothing', async () => {
    const { cache } = setUp();
    const { factory } = held<number>();
    await assert.rejects(cache.getOrSet('k', factory, { signal: AbortSignal.abort(new Error('early')) }), /early/);
  });
});

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

  it('what was made together does not end together', async () => {
    const { cache, clock } = setUp({ defaults: { jitter: 0.1 } });
    for (let each = 0; each < 100; each++) await cache.set(`k${each}`, each);
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

describe('an invalidation in the middle of a fill', () => {
  const invalidations = {
    delete: (cache) => cache.delete('users:1'),
    expire: (cache) => cache.expire('users:1'),
    deleteTag: (cache) => cache.deleteTag('team'),
    expireTag: (cache) => cache.expireTag('team'),
    'deleteTag of a tag that the factory names later': (cache) => cache.deleteTag('late'),
    deletePrefix: (cache) => cache.deletePrefix('users:'),
    clear: (cache) => cache.clear(),
    set: (cache) => cache.set('users:1', 'set'),
  } satisfies Record<string, (cache: ReturnType<typeof createCache>) => Promise<void>>;
  for (const [name, invalidate] of Object.entries(invalidations)) {
    it(`is not undone by it: ${name}`, async () => {
      const { cache } = setUp();
      const old = Promise.withResolvers<string>();
      const before = cache.getOrSet(
        'users:1',
        async (context) => {
          const value = await old.promise;
          context.tag('late');
          return value;
        },
        { tags: ['team'] },
      );
      await settle();
      await invalidate(cache);
      old.resolve('old');
      assert.equal(await before, 'old', 'who asked before it is answered');
      assert.equal(await cache.getOrSet('users:1', () => 'new'), name === 'set' ? 'set' : 'new');
    });
  }

  it('makes who comes after it call the factory again at once', async () => {
    const { cache } = setUp();
    const { factory, answer } = held<string>();
    const before = cache.getOrSet('k', factory);
    await settle();
    await cache.delete('k');
    const after = cache.getOrSet('k', factory);
    await settle();
    answer(1).resolve('new');
    assert.equal(await after, 'new');
    answer(0).resolve('old');
    assert.equal(await before, 'old');
    assert.equal(cache.peek('k'), 'new');
  });

  it('of another key or tag changes nothing', async () => {
    const { cache } = setUp();
    const { factory, answer } = held<string>();
    const before = cache.getOrSet('users:1', factory, { tags: ['team'] });
    await settle();
    await cache.delete('users:2');
    await cache.deleteTag('other');
    await cache.deletePrefix('models:');
    answer(0).resolve('value');
    await before;
    assert.equal(cache.peek('users:1'), 'value');
  });
});

describe('expire and delete', () => {
  const fails = (): never => {
    throw new Error('down');
  };

  it('expire leaves a copy for a factory that fails, delete and clear forbid it', async () => {
    const { cache } = setUp();
    for (const soft of [(): Promise<void> => cache.expire('k'), (): Promise<void> => cache.expireTag('t')]) {
      await cache.set('k', 1, { tags: ['t'] });
      await soft();
      assert.equal(cache.peek('k'), undefined);
      assert.equal(await cache.getOrSet('k', fails), 1);
    }
    for (const hard of [
      (): Promise<void> => cache.delete('k'),
      (): Promise<void> => cache.deleteTag('t'),
      (): Promise<void> => cache.clear(),
    ]) {
      await cache.set('k', 1, { tags: ['t'] });
      await hard();
      await assert.rejects(cache.getOrSet('k', fails), /down/);
    }
  });

  it('expire makes the next caller wait for the new value', async () => {
    const { cache } = setUp();
    await cache.set('k', 1);
    await cache.expire('k');
    assert.equal(await cache.getOrSet('k', () => 2), 2);
  });
});

describe('what a factory may say', () => {
  it('skip: its waiters get the value, and it is not stored', async () => {
    const { cache } = setUp();
    const date = await cache.getOrSet('k', (context) => {
      context.skip();
      return new Date(0);
    });
    assert.ok(date instanceof Date);
    assert.equal(cache.peek('k'), undefined);
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

it('close ends what is under way, and refuses what comes after', async () => {
  const { cache, clock } = setUp();
  const { factory, signals } = held<number>();
  const caller = assert.rejects(cache.getOrSet('k', factory), CacheClosedError);
  await settle();
  await cache.close();
  await caller;
  assert.equal(signals[0]?.aborted, true);
  await assert.rejects(cache.getOrSet('k', factory), CacheClosedError);
  await settle();
  assert.equal(clock.pending, 0);
});

it('a hit gives the value of the first, and a listener that throws changes nothing', async () => {
  const { cache } = setUp({
    onEvent: () => {
      throw new Error('listener');
    },
  });
  const value = await cache.getOrSet('k', () => ({ a: 1 }));
  assert.equal(await cache.getOrSet('k', () => ({ a: 2 })), value);
  assert.ok(Object.isFrozen(value));
  assert.equal(cache.stats().hits, 1);
  assert.ok(cache.stats().listenerFailures > 0);
});
