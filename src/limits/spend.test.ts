/** What budgets came to, on its way to the database. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '#core/limits';
import type { SpendBatch } from '#contract/limits';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { SpendBook } from './spend.ts';

const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

describe('the book of what was spent', () => {
  it('is written to its end when it is closed, also what came since a writing began that is under way', async () => {
    const written: number[] = [];
    const first = Promise.withResolvers<void>();
    const add = async ({ rows }: SpendBatch): Promise<void> => {
      if (written.length === 0) await first.promise;
      else await settle();
      written.push(...rows.map(({ microUsd }) => microUsd));
    };
    const store = { read: async () => new Map<string, number>(), add };
    const book = new SpendBook({ store, incarnation: 'one', clock: new VirtualClock(), logger });
    book.spent({ name: 'key:k:usd:day', startDay: 1, microUsd: 20 });
    const flushed = book.flush();
    book.spent({ name: 'key:k:usd:day', startDay: 1, microUsd: 3 });
    const closed = book.close();
    first.resolve();
    await Promise.all([flushed, closed]);
    assert.deepEqual(written, [20, 3]);
  });

  it('is not written twice where a write was not confirmed, and what is read meanwhile counts it once', async () => {
    const rows = new Map<string, number>();
    let last = 0;
    const database = { confirms: true, hears: true };
    const store = {
      read: async () => new Map(rows),
      async add(batch: SpendBatch) {
        if (!database.hears) throw new Error('away');
        if (batch.number > last)
          for (const { name, microUsd } of batch.rows) rows.set(name, (rows.get(name) ?? 0) + microUsd);
        last = Math.max(last, batch.number);
        if (!database.confirms) throw new Error('Connection terminated');
      },
    };
    const book = new SpendBook({ store, incarnation: 'one', clock: new VirtualClock(), logger });
    const spend = { name: 'key:k:usd:day', startDay: 1, microUsd: 20 };
    const read = () => book.read([spend], () => null);
    book.spent(spend);
    database.confirms = false;
    await book.flush();
    database.confirms = true;
    assert.deepEqual(await read(), new Map([[spend.name, 20]]));
    rows.clear();
    book.spent(spend);
    database.confirms = false;
    await book.flush();
    book.spent({ ...spend, microUsd: 3 });
    database.hears = false;
    assert.deepEqual(await read(), new Map([[spend.name, 43]]), 'nobody knows: rather too much than too little');
    Object.assign(database, { confirms: true, hears: true });
    assert.deepEqual(await read(), new Map([[spend.name, 23]]));
    await book.close();
    assert.deepEqual([...rows.values()], [23]);
  });

  it('begins with what is known here where the database hangs, after a second', async () => {
    const clock = new VirtualClock();
    const store = { read: () => new Promise<never>(ignore), add: async () => undefined };
    const warned: string[] = [];
    const warn = (event: string): void => void warned.push(event);
    const book = new SpendBook({ store, incarnation: 'one', clock, logger: { ...logger, warn } });
    const [known, owed] = ['known', 'owed'].map((name) => ({ name, startDay: 1, microUsd: 3 }));
    assert.ok(known && owed);
    book.spent(owed);
    const reading = book.read([known, owed], (name) => (name === 'known' ? 7 : null));
    await clock.advance(1_000);
    assert.equal(clock.pending, 0);
    assert.deepEqual([...(await reading)], Object.entries({ known: 7, owed: 3 }));
    assert.deepEqual(warned, ['limit-budgets-not-read']);
  });

  it('is of no more budgets than there is room for, however long the database is away', async () => {
    const written: number[] = [];
    const add = async ({ rows }: SpendBatch): Promise<void> => void written.push(rows.length);
    const store = { read: async () => new Map<string, number>(), add };
    const book = new SpendBook({ store, incarnation: 'one', clock: new VirtualClock(), logger });
    for (let number = 0; number <= limits.limitSubjectsMax; number++)
      book.spent({ name: `key:${number}`, startDay: 1, microUsd: 1 });
    await book.close();
    assert.deepEqual(written, [limits.limitSubjectsMax]);
  });
});
