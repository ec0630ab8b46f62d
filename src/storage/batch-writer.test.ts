/** What waits and what is written at once are bounded, in rows and in bytes; and a flush. The rest is in the run writer's tests. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RowEnd } from '#contract/batch-writer';
import { listeners, nothingTold } from '../../tests/helpers/storage.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createBatchWriter } from './batch-writer.ts';

interface Row {
  readonly id: string;
  readonly size: number;
}

function bench({ rowsMax = 4, waitingMax = 100, batchMax = 30 } = {}) {
  const clock = new VirtualClock();
  const batches: string[][] = [];
  const ended: [string, RowEnd][] = [];
  /** While a batch is written. */
  const meanwhile = { do: (): void | Promise<void> => undefined };
  const writer = createBatchWriter<Row>({
    ...listeners(nothingTold()),
    noun: 'row',
    rowsMax,
    bytes: { of: ({ size }) => size, waitingMax, batchMax },
    write: async (rows) => {
      batches.push(rows.map(({ id }) => id));
      await meanwhile.do();
    },
    ended: ({ id }, how) => void ended.push([id, how]),
    clock,
  });
  const append = (id: string, size: number): void => writer.append({ id, size });
  return { clock, batches, ended, meanwhile, writer, append };
}

it('drops the oldest rows until the newest fits, and counts a row that comes again once', () => {
  const { ended, writer, append } = bench();
  for (const id of ['a', 'b', 'c']) append(id, 30);
  writer.replace(writer.get('a') ?? assert.fail(), { id: 'a', size: 40 });
  assert.deepEqual([ended, writer.backlog], [[], 3]);
  append('d', 50);
  assert.deepEqual(ended, [
    ['a', 'overflowed'],
    ['b', 'overflowed'],
  ]);
  for (const id of ['e', 'f']) append(id, 1);
  assert.equal(writer.backlog, 4);
  append('g', 0);
  assert.deepEqual([ended.at(-1), writer.backlog], [['c', 'overflowed'], 4]);
});

it('writes no more at once than its bound, but for a single row beyond it', async () => {
  const { clock, batches, ended, append } = bench();
  for (const [id, size] of [
    ['a', 10],
    ['b', 20],
    ['c', 60],
    ['d', 1],
  ] as const)
    append(id, size);
  await clock.advance(1_000);
  assert.deepEqual(batches, [['a', 'b'], ['c'], ['d']]);
  assert.deepEqual(
    ended.map(([, how]) => how),
    ['written', 'written', 'written', 'written'],
  );
  // What was written takes no room any more.
  append('e', 100);
  assert.equal(ended.length, 4);
});

it('writes a row again that was replaced while it was written, and tells of it once', async () => {
  const { clock, batches, ended, meanwhile, writer, append } = bench();
  for (const id of ['a', 'b', 'c']) append(id, 10);
  const second = writer.get('b') ?? assert.fail();
  meanwhile.do = () => {
    meanwhile.do = () => undefined;
    writer.replace(second, { id: 'b', size: 10 });
  };
  await clock.advance(1_000);
  assert.deepEqual(batches, [['a', 'b', 'c'], ['b']]);
  assert.deepEqual(
    ended.map(([id]) => id),
    ['a', 'c', 'b'],
  );
  writer.replace(second, { id: 'b', size: 10 });
  assert.equal(writer.backlog, 1, 'what waits no more is as one that comes');
  await clock.advance(1_000);
  assert.deepEqual([batches.at(-1), writer.backlog], [['b'], 0]);
});

it('writes 500 rows at once at the most, full batches without waiting, and the rest when others may have come', async () => {
  const { clock, batches, append } = bench({ rowsMax: 10_000 });
  const lengths = (): number[] => batches.map(({ length }) => length);
  for (let row = 0; row < 1_501; row++) append(`${row}`, 0);
  await clock.advance(50);
  assert.deepEqual(lengths(), [500, 500, 500]);
  await clock.advance(49);
  assert.equal(batches.length, 3);
  await clock.advance(1);
  assert.deepEqual(lengths(), [500, 500, 500, 1]);
});

it('waits before it goes on where the database goes away while a refused batch is written row by row', async () => {
  const { clock, batches, ended, meanwhile, append } = bench();
  for (const id of ['a', 'bad', 'c', 'd']) append(id, 1);
  let away = false;
  meanwhile.do = () => {
    const batch = batches.at(-1) ?? [];
    if (away) throw new Error('away');
    if (batch.includes('bad')) throw Object.assign(new Error('refused'), { code: '22003' });
    away = batch[0] === 'c';
  };
  await clock.advance(50);
  assert.deepEqual(batches, [['a', 'bad', 'c', 'd'], ['a'], ['bad'], ['c'], ['d']]);
  away = false;
  await clock.advance(499);
  assert.equal(batches.length, 5);
  await clock.advance(1);
  assert.deepEqual(batches.at(-1), ['d']);
  assert.deepEqual(ended, [
    ['a', 'written'],
    ['bad', 'refused'],
    ['c', 'written'],
    ['d', 'written'],
  ]);
});

it('flushes what waits behind what is being written, each once', async () => {
  const { clock, batches, meanwhile, writer, append } = bench();
  const writing = Promise.withResolvers<void>();
  meanwhile.do = () => writing.promise;
  append('a', 30);
  await clock.advance(50);
  append('b', 30);
  const flushed = writer.flush(new AbortController().signal);
  meanwhile.do = () => undefined;
  writing.resolve();
  await flushed;
  assert.deepEqual([batches, writer.backlog], [[['a'], ['b']], 0]);
});

it('stops a flush whose time is over between two batches', async () => {
  const { batches, meanwhile, writer, append } = bench();
  const controller = new AbortController();
  for (const id of ['a', 'b', 'c']) append(id, 30);
  meanwhile.do = () => {
    if (batches.length === 2) controller.abort(new Error('over'));
  };
  await assert.rejects(writer.flush(controller.signal), /^Error: over$/);
  assert.deepEqual([batches, writer.backlog], [[['a'], ['b']], 1]);
});

it('is flushed no longer than its signal lets it, in the middle of a batch that hangs too', async () => {
  const clock = new VirtualClock();
  const writer = createBatchWriter<Row>({
    ...listeners(nothingTold()),
    noun: 'row',
    rowsMax: 4,
    write: () => new Promise(() => undefined),
    ended: () => assert.fail('nothing was written'),
    clock,
  });
  for (const isUnderWay of [false, true]) {
    writer.append({ id: `row-${isUnderWay}`, size: 1 });
    if (isUnderWay) await clock.advance(1_000);
    const deadline = new AbortController();
    const flushed = writer.flush(deadline.signal);
    deadline.abort(new Error('time is over'));
    await assert.rejects(flushed, /time is over/);
  }
  assert.equal(writer.backlog, 2, 'it still waits, and is counted');
});
