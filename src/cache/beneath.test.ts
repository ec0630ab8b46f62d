/** A cache over a tier that others fill too: who makes a value, whose copy is taken meanwhile, and what is told of it. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { held, pass, setUp } from '../../tests/helpers/one-cache.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import type { Cache } from './cache.ts';
import type { CacheEvent } from './events.ts';
import { MemoryTier } from './memory-tier.ts';
import type { CacheOptions } from './options.ts';

/** Two instances over one tier. */
function two(options: Partial<CacheOptions> = {}) {
  const clock = new VirtualClock();
  const tier = new MemoryTier(clock, { bytesMax: 1e8, entryBytesMax: 1e7 });
  const told: CacheEvent[] = [];
  const open = () => setUp({ clock, tiers: [tier], onEvent: (event) => told.push(event), ...options }).cache;
  return { clock, tier, told, one: open(), other: open() };
}

describe('a value that another instance makes', () => {
  it('is waited for however long a lease is, and made once', async () => {
    const { clock, one, other } = two({ lease: { leaseMs: 1_000, waitMs: 60_000 } });
    const { factory, calls, answer } = held<string>();
    const first = one.getOrSet('k', factory);
    await clock.advance(100);
    const second = other.getOrSet('k', factory);
    await clock.advance(8_000);
    answer(0).resolve('made');
    await clock.advance(1_000);
    assert.deepEqual(await Promise.all([first, second]), ['made', 'made']);
    assert.equal(calls.length, 1);
  });

  it('is waited for no longer than `waitMs`', async () => {
    const { clock, one, other } = two({ lease: { waitMs: 2_000 } });
    const { factory, calls, answer } = held<string>();
    void one.getOrSet('k', factory);
    await clock.advance(100);
    const second = other.getOrSet('k', factory);
    await clock.advance(1_900);
    assert.equal(calls.length, 1);
    await clock.advance(300);
    answer(1).resolve('by himself');
    assert.equal(await second, 'by himself');
    answer(0).resolve('made');
  });

  it('leaves a caller the copy from beneath after the soft timeout, and takes it when it is there', async () => {
    const { clock, one, other } = two();
    await one.getOrSet('k', () => 'old');
    await pass(clock, 5_000);
    const { factory, answer } = held<string>();
    const asked = other.getOrSet('k', factory);
    let answered = false;
    const seen = asked.then((value) => {
      answered = true;
      return value;
    });
    await clock.advance(149);
    assert.equal(answered, false);
    await clock.advance(1);
    assert.equal(await seen, 'old');
    answer(0).resolve('new');
    await settle();
    assert.deepEqual([other.peek('k'), await one.get('k')], ['new', 'new']);
  });

  it('is refreshed early by the share of its time, and taken as it is by who has none', async () => {
    const { clock, one, other } = two({ defaults: { earlyRefreshFrom: 0.5 }, random: { next: () => 0.999 } });
    const slow = async (): Promise<string> => {
      await clock.sleep(400);
      return `made at ${clock.now()}`;
    };
    const first = one.getOrSet('k', slow);
    await clock.advance(400);
    assert.equal(await first, 'made at 400');
    await clock.advance(600);
    assert.equal(await other.getOrSet('k', slow), 'made at 400', 'it is fresh');
    assert.equal(await one.getOrSet('k', slow), 'made at 400');
    await clock.advance(400);
    assert.equal(one.peek('k'), 'made at 1400');
  });
});

describe('a copy', () => {
  for (const [how, end, covers] of [
    ['deleted', 'delete', false],
    ['expired', 'expire', true],
  ] as const)
    it(`that lies in a tier beneath alone and is ${how} meanwhile ${covers ? 'covers' : 'does not cover'} a failure`, async () => {
      const defaults = { swrMs: 0, staleOnErrorMs: 600_000, softTimeoutMs: 60_000 };
      const { clock, one } = two({ memory: { entryBytesMax: 10 }, defaults });
      await one.set('k', 'a long value');
      await pass(clock, 1_001);
      const { factory, answer } = held<string>();
      const asked = one.getOrSet('k', factory);
      await settle();
      await one[end]('k');
      answer(0).reject(new Error('down'));
      if (covers) assert.equal(await asked, 'a long value');
      else await assert.rejects(asked, /down/);
    });

  for (const [how, end, covers] of [
    ['deleted by its key', (cache) => cache.delete('users:1'), false],
    ['deleted by its tag', (cache) => cache.deleteTag('team'), false],
    ['deleted by its prefix', (cache) => cache.deletePrefix('users:'), false],
    ['cleared with all others', (cache) => cache.clear(), false],
    ['expired by its key', (cache) => cache.expire('users:1'), true],
    ['expired by its tag', (cache) => cache.expireTag('team'), true],
  ] as const satisfies readonly (readonly [string, (cache: Cache) => Promise<void>, boolean])[])
    it(`that is ${how} ${covers ? 'covers' : 'covers no'} failure`, async () => {
      const { cache } = setUp();
      await cache.set('users:1', 'kept', { tags: ['team'] });
      await end(cache);
      const asked = cache.getOrSet('users:1', () => {
        throw new Error('down');
      });
      if (covers) assert.equal(await asked, 'kept');
      else await assert.rejects(asked, /down/);
    });

  it('that lies in a tier beneath alone covers no failure that comes after its time', async () => {
    const defaults = { swrMs: 0, staleOnErrorMs: 5_000, softTimeoutMs: 60_000 };
    for (const [tookMs, covers] of [[499, true] as const, [500, false] as const]) {
      const { clock, one } = two({ memory: { entryBytesMax: 10 }, defaults });
      await one.set('k', 'a long value');
      await pass(clock, 5_500);
      const asked = Promise.allSettled([
        one.getOrSet('k', async () => {
          await clock.sleep(tookMs);
          throw new Error('down');
        }),
      ]);
      await clock.advance(tookMs);
      const [{ status }] = await asked;
      assert.equal(status, covers ? 'fulfilled' : 'rejected', `${tookMs} ms`);
    }
  });

  it('that was given before its factory failed keeps the factory alone as well', async () => {
    const { cache, clock } = setUp();
    await cache.set('k', 1);
    await pass(clock, 5_000);
    const { factory, calls, answer } = held<number>();
    const asked = cache.getOrSet('k', factory);
    await clock.advance(150);
    assert.equal(await asked, 1);
    answer(0).reject(new Error('down'));
    await pass(clock, 29_000);
    assert.equal(await cache.getOrSet('k', factory), 1);
    assert.deepEqual([calls.length, cache.stats().staleServed], [1, 1]);
  });
});

describe('what is told', () => {
  it('of a tier: each look-up and what it found, and each value that it took', async () => {
    const { clock, told, one, other } = two();
    const texts = (): string[] =>
      told
        .splice(0)
        .filter(({ kind }) => kind === 'lookup' || kind === 'stored')
        .map((each) => (each.kind === 'lookup' ? each.result : `${each.kind} ${'bytes' in each && each.bytes > 0}`));
    await one.getOrSet('k', () => 1);
    await settle();
    assert.deepEqual(texts(), ['miss', 'stored true']);
    await one.set('k', 1);
    await other.get('k');
    assert.deepEqual(texts(), ['stored true', 'hit']);
    clock.jump(1_500);
    await other.getOrSet('k', () => 2);
    await settle();
    assert.deepEqual(texts(), ['stale', 'stored true']);
  });

  it('counts what memory answers, however it is asked', async () => {
    const { cache } = setUp();
    await cache.set('k', 1);
    assert.deepEqual([cache.peek('k'), await cache.get('k'), await cache.getOrSet('k', () => 2)], [1, 1, 1]);
    assert.deepEqual([cache.peek('none'), await cache.get('none')], [undefined, undefined]);
    const { hits, misses } = cache.stats();
    assert.deepEqual([hits, misses], [3, 1]);
  });

  it('counts and times every call of a factory', async () => {
    const { clock, told, one } = two();
    const takes = (ms: number, failure?: Error) => async (): Promise<string> => {
      await clock.sleep(ms);
      if (failure !== undefined) throw failure;
      return 'made';
    };
    const made = one.getOrSet('a', takes(20));
    await clock.advance(30);
    await made;
    const failed = assert.rejects(one.getOrSet('b', takes(30, new Error('down'))), /down/);
    await clock.advance(30);
    await failed;
    assert.deepEqual(
      told.filter(({ kind }) => kind === 'factory'),
      [
        { kind: 'factory', outcome: 'ok', ms: 20 },
        { kind: 'factory', outcome: 'failed', ms: 30 },
      ],
    );
    const { factoryCalls, factoryFailures } = one.stats();
    assert.deepEqual([factoryCalls, factoryFailures], [2, 1]);
  });

  it('says of a value that no tier takes that it is not stored, and of no other', async () => {
    const { told, one, other } = two({ memory: { entryBytesMax: 1e7 } });
    const large = 'x'.repeat(4 * 1024 * 1024);
    await one.getOrSet('small', () => 'x');
    assert.equal(await one.getOrSet('large', () => large), large);
    await settle();
    assert.deepEqual(
      told.filter(({ kind }) => kind === 'not-stored'),
      [{ kind: 'not-stored', reason: `a value of ${large.length + 2} bytes` }],
    );
    assert.equal(await other.getOrSet('large', () => 'another'), 'another', 'and nobody waits for it');
  });
});

describe('a caller’s signal', () => {
  it('is listened to no longer than he waits', async () => {
    const { cache } = setUp();
    const { signal } = new AbortController();
    const { factory, answer } = held<number>();
    const asked = cache.getOrSet('k', factory, { signal });
    await settle();
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    answer(0).resolve(1);
    await asked;
    await settle();
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('is known to a factory that asks for its own only when all have left', async () => {
    const { cache } = setUp();
    const leaver = new AbortController();
    const looks = Promise.withResolvers<void>();
    const seen = Promise.withResolvers<unknown>();
    const left = cache.getOrSet(
      'k',
      async (context) => {
        await looks.promise;
        seen.resolve(context.signal.reason);
      },
      { signal: leaver.signal },
    );
    await settle();
    const reason = new Error('gone home');
    leaver.abort(reason);
    await assert.rejects(left, reason);
    looks.resolve();
    assert.equal(await seen.promise, reason);
  });
});
