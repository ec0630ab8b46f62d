/** One process, no tier beneath: who runs the factory, who gets what, and what an invalidation leaves. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import { held, setUp } from '../../tests/helpers/one-cache.ts';
import { settle } from '../../tests/helpers/virtual-clock.ts';
import { CacheClosedError } from './cache.ts';
import { FactoryTimeoutError } from './context.ts';
import type { FactoryContext } from './context.ts';
import type { createCache } from './create.ts';
import { MemoryTier } from './memory-tier.ts';

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

describe('what a factory shows before its value is there', () => {
  it('reaches those who wait, and those who come later at once; nobody who comes after an invalidation', async () => {
    const { cache } = setUp();
    const shown: Record<string, unknown[]> = { first: [], second: [], after: [] };
    const listening = (who: string) => ({ onProgress: (progress: unknown) => void shown[who]?.push(progress) });
    const ends = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
    let begun = 0;
    const factory = (context: FactoryContext): Promise<number> => {
      const number = begun++;
      context.progress(`stream ${number}`);
      return ends[number]?.promise ?? Promise.resolve(-1);
    };
    const first = cache.getOrSet('k', factory, listening('first'));
    await settle();
    const second = cache.getOrSet('k', factory, listening('second'));
    await cache.delete('k');
    const after = cache.getOrSet('k', factory, listening('after'));
    await settle();
    assert.deepEqual(shown, { first: ['stream 0'], second: ['stream 0'], after: ['stream 1'] });
    ends.forEach(({ resolve }, number) => resolve(number));
    assert.deepEqual(await Promise.all([first, second, after]), [0, 0, 1]);
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

  it('before its factory was called, is no call of it, and no failure', async () => {
    const told: unknown[] = [];
    const { cache } = setUp({ onEvent: (event) => told.push(event) });
    const { factory, calls } = held<number>();
    const leaver = new AbortController();
    const left = cache.getOrSet('k', factory, { signal: leaver.signal });
    leaver.abort(new Error('gone home'));
    await assert.rejects(left, /gone home/);
    await settle();
    const { factoryCalls, factoryFailures } = cache.stats();
    assert.deepEqual(
      { calls: calls.length, factoryCalls, factoryFailures, told },
      { calls: 0, factoryCalls: 0, factoryFailures: 0, told: [] },
    );
  });

  it('before it came, calls nothing', async () => {
    const { cache } = setUp();
    const { factory, calls } = held<number>();
    await assert.rejects(cache.getOrSet('k', factory, { signal: AbortSignal.abort(new Error('early')) }), /early/);
    await settle();
    assert.equal(calls.length, 0);
  });
});

describe('a failure that nobody waits for', () => {
  const ends: Record<string, (bench: ReturnType<typeof setUp>) => Promise<void>> = {
    'of a refresh whose copy was deleted meanwhile': async ({ cache, clock }) => {
      await cache.set('k', 1);
      clock.jump(1_500);
      const { factory, answer } = held<number>();
      assert.equal(await cache.getOrSet('k', factory), 1);
      await settle();
      await cache.delete('k');
      answer(0).reject(new Error('down'));
    },
    'of a factory that everybody left': async ({ cache }) => {
      const leaver = new AbortController();
      const { factory, answer } = held<number>();
      const left = assert.rejects(cache.getOrSet('k', factory, { signal: leaver.signal }), /gone home/);
      await settle();
      leaver.abort(new Error('gone home'));
      await left;
      answer(0).reject(new Error('late'));
    },
    'of a factory that ran out of time': async ({ cache, clock }) => {
      const { factory, answer } = held<number>();
      const late = assert.rejects(cache.getOrSet('k', factory), FactoryTimeoutError);
      await clock.advance(10_000);
      await late;
      answer(0).reject(new Error('late'));
    },
    'of a factory that ends its only caller, and then throws': async ({ cache }) => {
      const leaver = new AbortController();
      const factory = (): never => {
        leaver.abort(new Error('gone home'));
        throw new Error('late');
      };
      await assert.rejects(cache.getOrSet('k', factory, { signal: leaver.signal }), /gone home/);
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    it(`${name}, ends no process`, async (t) => {
      const unhandled: unknown[] = [];
      const note = (reason: unknown): void => void unhandled.push(reason);
      process.on('unhandledRejection', note);
      t.after(() => process.off('unhandledRejection', note));
      const bench = setUp();
      await end(bench);
      for (let turn = 0; turn < 3; turn++) await settle();
      await bench.cache.close();
      assert.deepEqual(unhandled, []);
    });
  }
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

  it('has nothing made anew for who came before it', async () => {
    const { cache } = setUp();
    const { factory, calls, answer } = held<string>();
    const first = cache.getOrSet('k', factory);
    await settle();
    await cache.delete('another');
    const second = cache.getOrSet('k', factory);
    await cache.delete('k');
    answer(0).resolve('old');
    assert.deepEqual(await Promise.all([first, second]), ['old', 'old']);
    await settle();
    assert.equal(calls.length, 1);
  });

  it('of a tag that is named late gives who came after it the value that is there by then', async () => {
    const { cache } = setUp();
    const named = Promise.withResolvers<void>();
    const old = Promise.withResolvers<string>();
    const first = cache.getOrSet('k', async ({ tag }) => {
      await named.promise;
      tag('late');
      return old.promise;
    });
    await settle();
    await cache.deleteTag('late');
    const second = cache.getOrSet('k', () => assert.fail('another is there'));
    named.resolve();
    await settle();
    assert.equal(await cache.getOrSet('k', () => 'new', { tags: ['late'] }), 'new');
    old.resolve('old');
    assert.deepEqual(await Promise.all([first, second]), ['old', 'new']);
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

describe('a key or tag that is none', () => {
  it('is refused wherever something would be kept or ended under it, and leaves nothing under way', async () => {
    const { cache } = setUp();
    const refused = { name: 'CacheKeyError' };
    const call = async (work: () => unknown): Promise<unknown> => work();
    for (const wrong of ['\0', '\ud800', '']) {
      await assert.rejects(cache.set(wrong, 1), refused);
      await assert.rejects(cache.get(wrong), refused);
      await assert.rejects(
        call(() => cache.getOrSet(wrong, () => 1)),
        refused,
      );
      await assert.rejects(
        call(() => cache.delete(wrong)),
        refused,
      );
      await assert.rejects(cache.set('k', 1, { tags: [wrong] }), refused);
      await assert.rejects(
        call(() => cache.getOrSet('k', () => 1, { tags: [wrong] })),
        refused,
      );
    }
    assert.equal(cache.stats().entries, 0);
    assert.equal(await cache.getOrSet('k', () => 2), 2);
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

it('a local value is in no tier, whether it was made or set', async () => {
  const { clock } = setUp();
  const tier = new MemoryTier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 });
  const [one, other] = [setUp({ clock, tiers: [tier] }).cache, setUp({ clock, tiers: [tier] }).cache];
  // What memory takes before it knows where the tier's numbering stands, is marked stale then.
  await settle();
  await one.set('set', 1, { local: true });
  await one.getOrSet('made', () => 2, { local: true });
  assert.deepEqual([one.peek('set'), one.peek('made')], [1, 2]);
  assert.deepEqual([await other.get('set'), await other.get('made')], [undefined, undefined]);
});

for (const [which, memory] of [
  ['is too large for memory', { entryBytesMax: 10 }],
  ['memory is to keep nothing of', { ttlMs: 0 }],
] as const)
  it(`a value that ${which} is as old as it is in the tier beneath`, async () => {
    const { clock } = setUp();
    const tier = new MemoryTier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 });
    const opened = () => setUp({ clock, tiers: [tier], memory }).cache;
    const [one, other] = [opened(), opened()];
    await settle();
    await one.set('k', 'a long value');
    clock.jump(400);
    assert.equal(await other.getOrSet('k', () => 'not made'), 'a long value');
    assert.equal(other.peek('k'), undefined);
    assert.deepEqual(other.life('k'), { ageMs: 400, ttlMs: 600 });
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
