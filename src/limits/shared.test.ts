/** What instances count together, told to a store that was away, or while calls begin and end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { BreakerRegistry } from '#resilience/index';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { SharedCounts } from './shared.ts';
import type { Claim, LimitStore } from './store.ts';

const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const CLAIM: Claim = { id: 'call', rules: [], tokens: 0, microUsd: 0, leaseMs: 1_000, seeds: null };

function countsIn(store: LimitStore, live: ReadonlySet<string> = new Set()): SharedCounts {
  const clock = new VirtualClock();
  return new SharedCounts({
    store,
    breaker: new BreakerRegistry({ clock, random: seededRandom(1) }).get('limits'),
    clock,
    logger,
    observer: { limitDecided: ignore, limitStoreAsked: ignore },
    windowMs: 60_000,
    incarnation: 'one',
    held: () => [...live].map((id) => ({ kind: 'hold', name: 'places', id, leaseMs: 1_000 })),
  });
}

describe('counts that are shared', () => {
  it('leave a Redis alone that answered none of those who asked together', async () => {
    let asked = 0;
    const counts = countsIn({
      async reserve() {
        asked++;
        throw new Error('away');
      },
      amend: async () => undefined,
    });
    await Promise.all(Array.from({ length: 10 }, () => counts.reserve(CLAIM)));
    const before = asked;
    assert.ok(before < 5, `${before} questions`);
    assert.equal(await counts.reserve(CLAIM), null);
    assert.equal(asked, before);
  });

  it('are told all that is owed after a long time away, however much it is', async () => {
    let away = true;
    let told = 0;
    const store: LimitStore = {
      reserve: async () => (away ? Promise.reject(new Error('away')) : [{ kind: 'granted', states: [] }]),
      amend: async (amendments) => void (told += amendments.length),
    };
    const counts = countsIn(store, new Set(['one']));
    await counts.reserve(CLAIM);
    const each = Array.from({ length: 70_000 }, (_, number) => `n${number}`);
    counts.owe(each.map((id) => ({ kind: 'leave', name: 'places', ids: [id] })));
    counts.owe(each.map((name) => ({ kind: 'add', name, by: 1, max: 10 })));
    away = false;
    await counts.renew(false);
    await settle();
    assert.deepEqual([counts.away, told], [false, 2 * each.length + 1]);
  });

  it('hold no place that was left while others are told to be held', async () => {
    const live = new Set(Array.from({ length: 600 }, (_, number) => `n${number}`));
    const held = new Set<string>();
    const answers: PromiseWithResolvers<void>[] = [];
    const store: LimitStore = {
      reserve: async () => [{ kind: 'granted', states: [] }],
      amend(amendments) {
        for (const each of amendments) {
          if (each.kind === 'hold') held.add(each.id);
          if (each.kind === 'leave') for (const id of each.ids) held.delete(id);
        }
        const answer = Promise.withResolvers<void>();
        answers.push(answer);
        return answer.promise;
      },
    };
    const counts = countsIn(store, live);
    const renewed = counts.renew(true);
    live.delete('n599');
    counts.owe([{ kind: 'leave', name: 'places', ids: ['n599'] }]);
    await counts.reserve(CLAIM);
    while (answers.length > 0) {
      answers.shift()?.resolve();
      await settle();
    }
    await renewed;
    assert.deepEqual([held.size, held.has('n599')], [599, false]);
  });

  it('tell Redis which receipts it may forget: those of sums whose answer came, once', async () => {
    const receipts: (readonly [number, readonly number[]])[] = [];
    let away = false;
    const counts = countsIn({
      reserve: async () => [{ kind: 'granted', states: [] }],
      async amend(_amendments, receipt) {
        if (receipt !== undefined) receipts.push([receipt.number, receipt.done]);
        if (away) throw new Error('away');
      },
    });
    const spend = async (): Promise<void> => {
      counts.owe([{ kind: 'budget', name: 'b', mark: 1, generation: 1, by: 1, whole: 1, ageMs: 0 }]);
      await settle();
    };
    await spend();
    await spend();
    away = true;
    await spend();
    away = false;
    await counts.renew(false);
    await settle();
    await spend();
    assert.deepEqual(receipts, [
      [1, []],
      [2, [1]],
      [3, [2]],
      [3, []],
      [4, []],
    ]);
  });
});
