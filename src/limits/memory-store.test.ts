/** What an instance's share of a limit is held against, and shown as. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { daysOf } from './calendar.ts';
import { MemoryStore } from './memory-store.ts';
import type { Rule } from './rules.ts';

const SHARES = 5;
const rule: Rule = { scope: 'key', id: 'k', kind: 'usd', period: 'month', max: 1_000, name: 'key:k:usd:month' };

describe('a share of a budget', () => {
  it('is never shown as more than the budget, also where all have spent more than that', () => {
    const clock = new VirtualClock();
    const store = new MemoryStore(clock, 60_000);
    const { start } = daysOf('month', clock.wallMs());
    const shown = (spent: number) => {
      store.learn(rule.name, start, spent);
      const claim = { id: 'call', rules: [rule], tokens: 0, microUsd: 1, leaseMs: 1_000, seeds: null };
      const taken = store.take(claim, SHARES);
      return taken.kind === 'unseeded' ? taken : { kind: taken.kind, max: taken.states[0]?.max };
    };
    assert.deepEqual(shown(500), { kind: 'granted', max: 600 });
    assert.deepEqual(shown(1_000), { kind: 'refused', max: 1_000 });
    assert.deepEqual(shown(1_200), { kind: 'refused', max: 1_000 });
  });
});
