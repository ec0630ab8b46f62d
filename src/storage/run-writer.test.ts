/** The writer of run records while the database is away, on a virtual clock. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UnavailableError } from '#core/errors';
import { limits } from '#core/limits';
import type { Page } from '#contract/page';
import type { RunRecord } from '#contract/runs';
import { runOf } from '../../tests/conformance/records.ts';
import { listeners, nothingTold } from '../../tests/helpers/storage.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createRunWriter } from './run-writer.ts';

/** A surface that the database does not take. */
const REFUSED = 'refused';
const everything: Page = { limit: Number.MAX_SAFE_INTEGER };

function bench() {
  const clock = new VirtualClock();
  const told = nothingTold();
  const written: RunRecord[][] = [];
  const database = { away: false, answers: Promise.resolve() };
  const store = {
    upsertMany: async (json: Uint8Array) => {
      await database.answers;
      if (database.away) throw new UnavailableError('database_unavailable', 'away');
      const runs: RunRecord[] = JSON.parse(Buffer.from(json).toString());
      if (runs.some((run) => run.surface === REFUSED)) throw Object.assign(new Error('not this'), { code: '22P02' });
      written.push(runs);
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
  const runs = Array.from({ length: 3 }, (_, index) => runOf('prj', { startedWallMs: index }));
  for (const run of runs) {
    writer.append(run);
    await clock.advance(5_000);
  }
  assert.deepEqual([written, writer.list('prj', null, everything), told.dropped], [[], runs.toReversed(), 0]);
  database.away = false;
  await clock.advance(500);
  assert.deepEqual([written.flat(), writer.backlog], [runs, 0]);
});

it('holds no more than its bound: the oldest go, many at once, and each is counted', async () => {
  const { clock, told, database, writer } = bench();
  database.away = true;
  const long = runOf('prj', { requestedModel: 'm'.repeat(100_000) });
  const first = runOf('prj');
  writer.append(first);
  await clock.advance(50);
  const room = limits.runBacklogBytesMax / long.requestedModel.length;
  for (let count = 0; count < room; count++) writer.append(long);
  const last = runOf('prj');
  writer.append(last);
  assert.ok(told.dropped > 0 && writer.backlog > room / 2, `${told.dropped} dropped, ${writer.backlog} left`);
  assert.equal(writer.backlog + told.dropped, Math.ceil(room) + 2);
  assert.deepEqual([writer.get(first.id), writer.get(last.id)], [undefined, last]);
});

it('writes small batches while the database is well, and full ones when it was away', async () => {
  const { clock, written, database, writer } = bench();
  const come = async (): Promise<void> => {
    writer.append(runOf('prj'));
    await clock.advance(50);
  };
  await come();
  await come();
  database.away = true;
  for (let count = 0; count < 100; count++) await come();
  database.away = false;
  await clock.advance(1_000);
  assert.deepEqual(
    written.map(({ length }) => length),
    [1, 1, 1, 99],
  );
});

it('keeps a record that is larger than what is written at once otherwise', async () => {
  const { clock, written, writer } = bench();
  const runs = ['é', '語', '😀'].map((letter) => runOf('prj', { requestedModel: letter.repeat(150_000) }));
  for (const run of [runOf('prj'), ...runs, runOf('prj')]) writer.append(run);
  assert.deepEqual(writer.get(runs[1]?.id ?? ''), runs[1]);
  await clock.advance(1_000);
  assert.deepEqual(written.flat().slice(1, 4), runs);
  assert.deepEqual([written.flat().length, writer.backlog], [5, 0]);
});

it('writes what came while it wrote, and nothing of it twice', async () => {
  const { clock, written, database, writer } = bench();
  const runs = Array.from({ length: 5_000 }, (_, index) => runOf('prj', { startedWallMs: index }));
  for (const [index, run] of runs.entries()) {
    const gate = Promise.withResolvers<void>();
    if (index % 700 === 0) database.answers = gate.promise;
    writer.append(run);
    if (index % 300 === 0) await clock.advance(50);
    gate.resolve();
  }
  await clock.advance(1_000);
  assert.deepEqual(written.flat(), runs);
});

it('does not write over a record that had to leave while it was about to be sent', async () => {
  const clock = new VirtualClock();
  const sent: Uint8Array[] = [];
  const store = { upsertMany: (json: Uint8Array) => new Promise<void>(() => void sent.push(json)) };
  const hanging = createRunWriter({ store, clock, ...listeners(nothingTold()) });
  const first = runOf('prj');
  hanging.append(first);
  await clock.advance(50);
  const long = runOf('prj', { requestedModel: 'm'.repeat(60_000) });
  for (let bytes = 0; bytes < 2 * limits.runBacklogBytesMax; bytes += 60_000) hanging.append(long);
  assert.deepEqual(JSON.parse(Buffer.from(sent[0] ?? []).toString()), [first]);
});

it('drops the records that the database refuses, once, and writes the others', async () => {
  const { clock, told, written, writer } = bench();
  const [first, second] = [runOf('prj'), runOf('prj')];
  for (const run of [first, runOf('prj', { surface: REFUSED }), second]) writer.append(run);
  await clock.advance(1_000);
  writer.append(runOf('prj', { surface: REFUSED }));
  await clock.advance(1_000);
  assert.deepEqual([written, writer.backlog, told.dropped], [[[first], [second]], 0, 2]);
  assert.deepEqual(
    told.logged.map(({ event }) => event),
    ['run-refused', 'run-refused'],
  );
});

it('lists the newest of a project, or of one of its keys, as a store does', async () => {
  const { clock, database, writer } = bench();
  database.away = true;
  const [a, b] = ['key_a', 'key_b'];
  const owners = [a, null, b];
  // Not in the order in which they began: a long run ends behind many short ones.
  const runs = Array.from({ length: 3_000 }, (_, index) =>
    runOf(index % 7 === 0 ? 'other' : 'prj', {
      startedWallMs: (index * 769) % 3_000,
      keyId: owners[index % 3] ?? null,
    }),
  );
  for (const [index, run] of runs.entries()) {
    writer.append(run);
    if (index % 1_000 === 0) await clock.advance(50);
  }
  for (const project of ['prj', 'other', 'nobody'])
    for (const key of [undefined, null, a])
      for (const page of [everything, { limit: 1 }, { limit: 50 }, { limit: 20, before: runs[1_500]?.id }]) {
        const meant = runs
          .filter((run) => run.projectId === project && (key === undefined || run.keyId === key))
          .filter((run) => page.before === undefined || run.id < page.before)
          .toSorted((one, other) => (one.id < other.id ? 1 : -1));
        assert.deepEqual(writer.list(project, key, page), meant.slice(0, page.limit));
      }
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
