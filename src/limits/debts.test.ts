/** What is owed to a Redis that is away: in few words, and still apart by when it was spent. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { Debts } from './debts.ts';
import type { Amendment, BudgetAmendment } from './store.ts';

const WINDOW_MS = 60_000;
const spent: BudgetAmendment = { kind: 'budget', name: 'b', mark: 1, generation: 7, by: -2, whole: 3, ageMs: 0 };

const agesOf = (owed: readonly Amendment[]): (number | string)[][] =>
  owed.map((each) => (each.kind === 'budget' ? [each.by, each.whole, each.ageMs] : [each.kind]));

describe('debts of budgets', () => {
  it('are summed by the second and tell how old they are', async () => {
    const clock = new VirtualClock();
    const debts = new Debts(clock, WINDOW_MS);
    debts.add([spent, { ...spent, generation: 8 }]);
    await clock.advance(900);
    debts.add([spent]);
    await clock.advance(600);
    debts.add([{ ...spent, ageMs: 100 }]);
    await clock.advance(1_000);
    assert.deepEqual(agesOf(debts.take()), [
      [-4, 6, 1_600],
      [-2, 3, 1_100],
      [-2, 3, 2_500],
    ]);
    assert.equal(debts.size, 0);
  });

  it('are few however long it is away, and none is lost', async () => {
    const clock = new VirtualClock();
    const debts = new Debts(clock, WINDOW_MS);
    for (let second = 0; second < 100; second++) {
      debts.add([spent]);
      await clock.advance(1_000);
    }
    const owed = agesOf(debts.take());
    assert.equal(owed.length, 30);
    assert.deepEqual(
      [owed[0], owed.at(-1)],
      [
        [-142, 213, 30_000],
        [-2, 3, 1_000],
      ],
    );
  });
});

it('what is owed is told once', () => {
  const debts = new Debts(new VirtualClock(), WINDOW_MS);
  const add: Amendment = { kind: 'add', name: 'w', by: 2, max: 10 };
  const leave: Amendment = { kind: 'leave', name: 'p', ids: ['one'] };
  debts.add([add, add, spent, leave]);
  assert.equal(debts.size, 3);
  assert.deepEqual(debts.take(), [{ ...add, by: 4 }, spent, leave]);
  assert.deepEqual([debts.size, debts.take()], [0, []]);
});
