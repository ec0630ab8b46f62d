/** What budgets came to, on its way to the database. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Spend } from '#contract/limits';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { SpendBook } from './spend.ts';

const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

describe('the book of what was spent', () => {
  it('is written to its end when it is closed, also what came since a writing began that is under way', async () => {
    const written: number[] = [];
    const first = Promise.withResolvers<void>();
    const add = async (rows: readonly Spend[]): Promise<void> => {
      if (written.length === 0) await first.promise;
      written.push(...rows.map(({ microUsd }) => microUsd));
    };
    const store = { read: async () => new Map<string, number>(), add };
    const book = new SpendBook({ store, clock: new VirtualClock(), logger });
    book.spent({ name: 'key:k:usd:day', startDay: 1, microUsd: 20 });
    const flushed = book.flush();
    book.spent({ name: 'key:k:usd:day', startDay: 1, microUsd: 3 });
    const closed = book.close();
    first.resolve();
    await Promise.all([flushed, closed]);
    assert.deepEqual(written, [20, 3]);
  });
});
