/** The writer of run records while the database is away, on a virtual clock. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UnavailableError } from '#core/errors';
import { limits } from '#core/limits';
import type { RunRecord } from '#contract/runs';
import { runOf } from '../../tests/conformance/records.ts';
import { listeners, nothingTold } from '../../tests/helpers/storage.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createRunWriter } from './run-writer.ts';

function bench() {
  const clock = new VirtualClock();
  const told = nothingTold();
  const written: RunRecord[][] = [];
  const database = { away: false, answers: Promise.resolve() };
  const store = {
    upsertMany: async (runs: readonly RunRecord[]) => {
      await database.answers;
      if (database.away) throw new UnavailableError('database_unavailable', 'away');
      written.push([...runs]);
    },
  };
  return { clock, told, written, database, writer: createRunWriter({ store, clock, ...listeners(told) }) };
}

it('writes what came within 50 ms in one batch, and has no timer when nothing waits', async () => {
  const { clock, written, writer } = bench();
  const runs = [runOf('prj'), runOf('prj')];
  for (const run of runs) writer.append(run);
  assert.equal(clock.pending, 1);
  await clock.advance(49);
  assert.deepEqual(written, []);
  await clock.advance(1);
  assert.deepEqual([written, writer.backlog, clock.pending], [[runs], 0, 0]);
});

it('keeps every run while the database is away, in order, and writes them when it is back', async () => {
  const { clock, told, written, database, writer } = bench();
  database.away = true;
  const runs = Array.from({ length: 3 }, () => runOf('prj'));
  for (const run of runs) {
    writer.append(run);
    await clock.advance(5_000);
  }
  assert.deepEqual([written, writer.list(), told.dropped], [[], runs, 0]);
  database.away = false;
  await clock.advance(500);
  assert.deepEqual([written, writer.backlog], [[runs], 0]);
});

it('holds no more than its bound: the oldest go, and each is counted', () => {
  const { told, writer } = bench();
  const [first, second, third] = [runOf('prj'), runOf('prj'), runOf('prj')];
  for (const run of [first, second, third]) writer.append(run);
  while (writer.backlog < limits.runBacklogMax) writer.append(runOf('prj'));
  assert.equal(told.dropped, 0);
  writer.append(runOf('prj'));
  writer.append(runOf('prj'));
  assert.deepEqual([writer.backlog, told.dropped], [limits.runBacklogMax, 2]);
  assert.deepEqual([writer.get(first.id), writer.get(second.id), writer.get(third.id)], [undefined, undefined, third]);
});

it('gives a flush up when its signal ends, keeps what waits, and starts nothing afterwards', async () => {
  const { clock, database, writer } = bench();
  const gate = Promise.withResolvers<void>();
  Object.assign(database, { away: true, answers: gate.promise });
  writer.append(runOf('prj'));
  await clock.advance(50);
  // The flush begins while a batch is under way, which must arm no timer of its own when it fails.
  const deadline = new AbortController();
  const flushed = assert.rejects(writer.flush(deadline.signal), /too long/);
  gate.resolve();
  await clock.advance(2_000);
  deadline.abort(new Error('too long'));
  await flushed;
  await settle();
  assert.deepEqual([writer.backlog, clock.pending], [1, 0]);
});
