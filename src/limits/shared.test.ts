/** What instances count together, told to a store that was away. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { BreakerRegistry } from '#resilience/index';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { SharedCounts } from './shared.ts';
import type { Amendment, LimitStore } from './store.ts';

const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

describe('counts that are shared', () => {
  it('are told all that is owed after a long time away, however much it is', async () => {
    const clock = new VirtualClock();
    let away = true;
    let told = 0;
    const answered = (amendments: readonly Amendment[]): void => {
      if (away) throw new Error('away');
      told += amendments.length;
    };
    const store: LimitStore = {
      reserve: () => Promise.reject(new Error('away')),
      amend: async (amendments) => answered(amendments),
    };
    const counts = new SharedCounts({
      store,
      breaker: new BreakerRegistry({ clock, random: seededRandom(1) }).get('limits'),
      clock,
      logger,
      observer: { limitDecided: ignore, limitStoreAsked: ignore },
      windowMs: 60_000,
      held: () => [],
    });
    await counts.reserve({ id: 'call', rules: [], tokens: 0, microUsd: 0, leaseMs: 1_000, seeds: null });
    const each = Array.from({ length: 70_000 }, (_, number) => `n${number}`);
    counts.owe(each.map((id) => ({ kind: 'leave', name: 'places', ids: [id] })));
    counts.owe(each.map((name) => ({ kind: 'add', name, by: 1, max: 10 })));
    away = false;
    await counts.renew(false);
    await settle();
    assert.deepEqual(
      [counts.away, told],
      [false, 1 + 2 * each.length],
      'all of it, behind the question whether it is back',
    );
  });
});
