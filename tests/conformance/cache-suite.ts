/**
 * What a cache promises over any tier, with the tier plain and with a way to it that fails from a seed. Over a bad way callers may
 * wait and factories may run more often; nobody fails, nobody gets another value or type, and nobody is told what it deleted.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCache } from '#cache/index';
import type { Cache } from '#cache/index';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import type { TierMaker } from '../helpers/cache-tiers.ts';
import { CALM, ChaosTier } from '../helpers/chaos-tier.ts';
import type { Chaos } from '../helpers/chaos-tier.ts';
import { settle } from '../helpers/virtual-clock.ts';

const BAD: Chaos = { delayMs: 30, failsBefore: 0.1, failsAfter: 0.1, hangs: 0.05, lost: 0.3 };
const CALLERS = 100;
const INSTANCES = 3;

/** Of every type that JSON has, small and large. */
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1.5,
  '',
  'é\n"x"',
  [],
  {},
  [1, 'a', null, { b: [] }],
  { nested: { list: [1, 2, 3] }, 'a b': null },
  'x'.repeat(10_000),
];

export function cacheSuite(tierName: string, make: () => Promise<TierMaker>): void {
  describe(`a cache over ${tierName}`, () => {
    let maker: TierMaker;
    before(async () => {
      maker = await make();
    });
    after(() => maker.end());
    for (const [way, chaos, seed] of [
      ['plain', CALM, 1],
      ['over a bad way', BAD, 7],
    ] as const) {
      describe(way, () => {
        let made = 0;
        const caches: Cache[] = [];
        after(() => Promise.all(caches.map((cache) => cache.close())));
        const bench: Bench = {
          plain: way === 'plain',
          async instances() {
            const namespace = `${way === 'plain' ? 'plain' : 'bad'}${++made}`;
            const opened: Cache[] = [];
            for (let instance = 0; instance < INSTANCES; instance++) {
              const tier = new ChaosTier(await maker.open(namespace), systemClock, seededRandom(seed * 100 + instance));
              tier.chaos = chaos;
              // How busy the machine of the test is, is no fault of the way.
              if (way === 'plain') tier.limits = { ...tier.limits, readMs: 30_000, writeMs: 30_000 };
              opened.push(
                createCache({
                  namespace,
                  tiers: [tier],
                  lease: { waitMs: way === 'plain' ? 30_000 : 500 },
                  freeze: true,
                }),
              );
            }
            caches.push(...opened);
            return opened as [Cache, Cache, Cache];
          },
        };
        promises(bench);
        invalidations(bench);
      });
    }
  });
}

interface Bench {
  readonly plain: boolean;
  instances(): Promise<[Cache, Cache, Cache]>;
}

function promises({ plain, instances }: Bench): void {
  it('gives every caller of every instance the value of one factory call', async () => {
    const caches = await instances();
    let calls = 0;
    const factory = async (): Promise<{ call: number }> => {
      calls++;
      await systemClock.sleep(20);
      return { call: calls };
    };
    const told = await Promise.all(
      caches.flatMap((cache) => Array.from({ length: CALLERS }, () => cache.getOrSet('k', factory))),
    );
    if (plain) assert.equal(calls, 1);
    assert.ok(calls >= 1 && calls <= INSTANCES, `${calls} calls`);
    for (const value of told) assert.ok(value.call >= 1 && value.call <= calls);
  });

  it('a throw reaches each caller once, and the next one tries again', async () => {
    const [one, other] = await instances();
    let calls = 0;
    const failing = async (): Promise<never> => {
      calls++;
      await settle();
      throw new Error('upstream');
    };
    const told = await Promise.allSettled(
      [one, other].flatMap((cache) => Array.from({ length: CALLERS }, () => cache.getOrSet('k', failing))),
    );
    assert.ok(told.every((each) => each.status === 'rejected' && /upstream/.test(String(each.reason))));
    assert.ok(calls <= 2, `${calls} calls`);
    assert.equal(await other.getOrSet('k', () => 'well again'), 'well again');
  });

  it('gives the same value and type from every instance', async () => {
    const caches = await instances();
    for (const [index, value] of VALUES.entries()) {
      for (const cache of caches) {
        const told = await cache.getOrSet(`value:${index}`, () => structuredClone(value));
        assert.deepStrictEqual(told, value);
      }
    }
  });
}

function invalidations({ plain, instances }: Bench): void {
  for (const [what, invalidate] of Object.entries({
    delete: (cache: Cache) => cache.delete('users:1'),
    deleteTag: (cache: Cache) => cache.deleteTag('team'),
    deletePrefix: (cache: Cache) => cache.deletePrefix('users:'),
    clear: (cache: Cache) => cache.clear(),
  })) {
    it(`${what} in the middle of a fill is not undone by it`, async () => {
      const [one, other] = await instances();
      const old = Promise.withResolvers<string>();
      const begun = Promise.withResolvers<void>();
      const filling = one.getOrSet(
        'users:1',
        () => {
          begun.resolve();
          return old.promise;
        },
        { tags: ['team'] },
      );
      await begun.promise;
      await invalidate(one);
      old.resolve('old');
      assert.equal(await filling, 'old');
      assert.equal(await one.getOrSet('users:1', () => 'new', { tags: ['team'] }), 'new');
      // What the other may not have heard of because the way is bad, it is not held to here.
      if (plain) assert.equal(await other.getOrSet('users:1', () => 'not made', { tags: ['team'] }), 'new');
    });
  }

  it('what was set is told by the instance that set it, and by the others', async () => {
    const [one, other] = await instances();
    await one.set('k', { version: 1 }, { tags: ['a', 'b', 'a'] });
    // Over a bad way it may be held for missed by the tier, and be stale before it was told.
    if (plain) assert.deepEqual(await one.getOrSet('k', () => ({ version: 0 })), { version: 1 });
    if (plain) assert.deepEqual(await other.getOrSet('k', () => ({ version: 0 })), { version: 1 });
    await one.delete('k');
    assert.equal(one.peek('k'), undefined);
    assert.equal(await one.getOrSet('k', () => 'new'), 'new');
  });
}
