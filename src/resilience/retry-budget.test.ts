import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { RetryBudget } from './retry-budget.ts';

function granted(budget: RetryBudget, asked: number): number {
  let count = 0;
  for (let time = 0; time < asked; time++) if (budget.tryRetry()) count++;
  return count;
}

describe('RetryBudget', () => {
  it('grants its share of the calls of the last 10 s, and a few on top', () => {
    const clock = new VirtualClock();
    const budget = new RetryBudget({ clock, ratio: 0.2, reserve: 3 });
    assert.equal(granted(budget, 100), 3, 'a quiet process may repeat at all');
    for (let call = 0; call < 100; call++) budget.recordCall();
    assert.equal(granted(budget, 100), 20);
    clock.jump(10_000);
    assert.equal(granted(budget, 100), 3, 'calls of long ago grant nothing');
  });

  it('grants nothing with a share of zero and no reserve', () => {
    const budget = new RetryBudget({ clock: new VirtualClock(), ratio: 0, reserve: 0 });
    budget.recordCall();
    assert.equal(granted(budget, 10), 0);
  });
});
