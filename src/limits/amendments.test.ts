/** What ends of calls change, in as few words as Redis can be told it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { summed } from './amendments.ts';
import type { Amendment } from './store.ts';

const window: Amendment = { kind: 'window', name: 'w', mark: 1, by: 2 };
const budget: Amendment = { kind: 'budget', name: 'b', mark: 1, generation: 7, by: -2, whole: 3, ageMs: 0 };
const add: Amendment = { kind: 'add', name: 'w', by: 5, max: 10 };
const leave = (...ids: string[]): Amendment => ({ kind: 'leave', name: 'p', ids });
const hold: Amendment = { kind: 'hold', name: 'p', id: 'one', leaseMs: 1_000 };

it('changes of one slot, budget or rule are one change; those of others stay apart', () => {
  const others: Amendment[] = [
    { ...window, mark: 2 },
    { ...budget, generation: 8 },
    { ...budget, ageMs: 9 },
    { ...add, max: 11 },
    { ...leave('three'), name: 'q' },
  ];
  const told = [window, budget, add, leave('one'), ...others, window, budget, add, leave('two')];
  assert.deepEqual(summed(told), [
    { ...window, by: 4 },
    { ...budget, by: -4, whole: 6 },
    { ...add, by: 10 },
    leave('one', 'two'),
    ...others,
  ]);
  assert.deepEqual(told[0], { kind: 'window', name: 'w', mark: 1, by: 2 }, 'what was given stays as it was');
});

it('a place that is left, held and left again is told so in that order', () => {
  const told = [leave('one'), hold, leave('one')];
  assert.deepEqual(summed(told), told);
});
