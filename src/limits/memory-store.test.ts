/** What an instance's share of a limit is held against, and shown as. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { limits } from '#core/limits';
import { settlementOf } from './amendments.ts';
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

describe('what is counted in memory, where more are counted than there is room for', () => {
  const ruleOf = (kind: Rule['kind'], id: string, max: number): Rule => {
    const period = { requests: 'minute', tokens: 'minute', concurrent: null, usd: 'month' } as const;
    return { scope: 'key', id, kind, period: period[kind], max, name: `key:${id}:${kind}` };
  };
  const lab = (kind: Rule['kind'], max: number) => {
    const clock = new VirtualClock();
    const store = new MemoryStore(clock, 60_000);
    /** How much is used behind it; null where it is refused. */
    const take = (key: string, amount: number, id: string | null = key) => {
      const rules = [ruleOf(kind, key, max)];
      const claim = {
        id,
        rules,
        tokens: amount,
        microUsd: amount,
        leaseMs: 120_000,
        seeds: new Map([[rules[0]?.name ?? '', 0]]),
      };
      const taken = store.take(claim);
      const settle = (spent: number): void =>
        void store.amend(
          settlementOf(claim, taken.kind === 'granted' ? taken.states : [], { tokens: spent, microUsd: spent }),
        );
      return { used: taken.kind === 'granted' ? (taken.states[0]?.used ?? null) : null, settle };
    };
    const takeMany = (what: string, many: number, id?: null): void => {
      for (let number = 0; number < many; number++) take(`${what}-${number}`, 1, id);
    };
    return { clock, take, takeMany };
  };
  const ROOM = limits.limitSubjectsMax;
  /** All are looked at once before one is dropped that counts. */
  const EXCESS = ROOM / 100;

  it('drops nobody who counts for others who do not', () => {
    const { clock, take, takeMany } = lab('tokens', 1);
    takeMany('busy', 200);
    takeMany('idle', ROOM - 200);
    clock.jump(60_000);
    takeMany('busy', 200);
    takeMany('other', 5_000);
    for (let number = 0; number < 200; number++)
      assert.equal(take(`busy-${number}`, 1).used, null, 'it is over its limit still');
  });

  it('keeps the places that are taken, however many others are looked at', () => {
    const { take, takeMany } = lab('concurrent', 1);
    takeMany('busy', 200);
    takeMany('looked-at', ROOM + EXCESS, null);
    for (let number = 0; number < 200; number++) assert.equal(take(`busy-${number}`, 1, 'second').used, null);
  });

  it('takes nothing off a window for a call that was counted in one that was dropped', () => {
    const { take, takeMany } = lab('tokens', 1_000);
    const first = take('first', 900);
    takeMany('busy', 2 * ROOM);
    assert.equal(take('first', 900).used, 900, 'it was dropped');
    first.settle(100);
    assert.equal(take('first', 0, null).used, 900);
  });

  it('counts the whole of a call in a budget that was dropped and begun again while it was under way', () => {
    const { take, takeMany } = lab('usd', 1_000);
    const first = take('first', 900);
    takeMany('busy', ROOM + EXCESS);
    assert.equal(take('first', 0, null).used, 0, 'it was dropped');
    first.settle(100);
    assert.equal(take('first', 0, null).used, 100);
  });
});
