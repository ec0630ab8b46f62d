/** Where budgets begin and end, in UTC. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DAY_MS, daysOf } from './calendar.ts';

const at = (text: string): number => Date.parse(text);
const dates = (period: 'day' | 'week' | 'month', text: string): string[] =>
  Object.values(daysOf(period, at(text))).map((day: number) => new Date(day * DAY_MS).toISOString().slice(0, 10));

describe('the calendar of budgets', () => {
  it('begins a day at midnight, a week on Monday, a month on its first', () => {
    assert.deepEqual(dates('day', '2026-02-28T23:59:59.999Z'), ['2026-02-28', '2026-03-01']);
    assert.deepEqual(dates('week', '2026-03-01T23:59:59Z'), ['2026-02-23', '2026-03-02']);
    assert.deepEqual(dates('week', '2026-03-02T00:00:00Z'), ['2026-03-02', '2026-03-09']);
    assert.deepEqual(dates('month', '2028-02-29T12:00:00Z'), ['2028-02-01', '2028-03-01']);
    assert.deepEqual(dates('month', '2026-12-31T23:59:59Z'), ['2026-12-01', '2027-01-01']);
  });
});
