/** The writer of run records over a real database: found from the moment they are appended, stored when it has been flushed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { keepRuns } from '#hub/storage';
import { createRunWriter } from '#storage/index';
import type { Storage } from '#storage/index';
import { settle, VirtualClock } from '../helpers/virtual-clock.ts';
import { listeners, nothingTold } from '../helpers/storage.ts';
import { newProject, runOf } from './records.ts';

const never = new AbortController().signal;

export function writerSuite(storage: () => Storage): void {
  endSuite(storage);
  describe('the run writer', () => {
    it('shows a run before it is stored, and stores all of more than one batch when it is flushed', async () => {
      const { runs } = storage().stores;
      const projectId = await newProject(storage());
      const told = nothingTold();
      // The clock stands still, so that nothing is written before the flush.
      const writer = createRunWriter({ store: runs, clock: new VirtualClock(), ...listeners(told) });
      const made = Array.from({ length: 1_501 }, (_, index) => runOf(projectId, { startedWallMs: index }));
      for (const run of made) writer.append(run);
      await settle();
      const waiting = writer.list(projectId, undefined, { limit: 2_000 });
      assert.deepEqual([writer.backlog, waiting.length, writer.get(made[0]?.id ?? '')], [1_501, 1_501, made[0]]);
      assert.deepEqual(await runs.list(projectId, undefined, { limit: 1 }), []);

      await writer.flush(never);
      assert.deepEqual([writer.backlog, writer.get(made[0]?.id ?? '')], [0, undefined]);
      assert.equal((await runs.list(projectId, undefined, { limit: 2_000 })).length, 1_501);
      assert.deepEqual(told, nothingTold());
    });

    it('drops the one record that the database refuses, counts it, and stores the others', async () => {
      const { runs } = storage().stores;
      const projectId = await newProject(storage());
      const told = nothingTold();
      const writer = createRunWriter({ store: runs, clock: new VirtualClock(), ...listeners(told) });
      const good = [runOf(projectId), runOf(projectId)];
      const [first, second] = good;
      assert.ok(first !== undefined && second !== undefined);
      for (const run of [first, runOf(projectId, { startedWallMs: Number.MAX_VALUE }), second]) writer.append(run);
      await writer.flush(never);
      assert.deepEqual(
        (await runs.list(projectId, undefined, { limit: 10 })).map((run) => run.id).toSorted(),
        good.map((run) => run.id).toSorted(),
      );
      assert.equal(told.dropped, 1);
      assert.deepEqual(
        told.logged.map(({ event }) => event),
        ['run-refused'],
      );
    });

    it('is not held up by a record that is there twice, nor by one that no index holds', async () => {
      const { runs } = storage().stores;
      const projectId = await newProject(storage());
      const told = nothingTold();
      const writer = createRunWriter({ store: runs, clock: new VirtualClock(), ...listeners(told) });
      const run = runOf(projectId);
      // What compresses well would fit.
      const keyId = randomBytes(4_096).toString('base64');
      for (const each of [run, { ...run, route: 'later' }, runOf(projectId, { keyId })]) writer.append(each);
      await writer.flush(never);
      const [stored, ...others] = await runs.list(projectId, undefined, { limit: 10 });
      assert.deepEqual([stored?.id, stored?.route, others], [run.id, 'later', []]);
      assert.deepEqual([told.dropped, told.logged.map(({ event }) => event)], [1, ['run-refused']]);
    });
  });
}

function endSuite(storage: () => Storage): void {
  describe('the run writer', () => {
    it('gives a database that is away five seconds when the hub ends, and tells how many runs are lost', async () => {
      const { runs } = storage().stores;
      const away = { ...runs, upsertMany: () => Promise.reject(new Error('away')) };
      const [told, clock] = [nothingTold(), new VirtualClock()];
      const stores = { ...storage().stores, runs: away };
      const { writer, close } = keepRuns({ stores }, { clock, ...listeners(told) });
      writer.append(runOf(await newProject(storage())));
      let closed = false;
      const closing = close().then(() => (closed = true));
      await clock.advance(4_999);
      assert.equal(closed, false);
      await clock.advance(1);
      await closing;
      assert.equal(clock.pending, 0);
      const reason = 'the database did not take what waited within 5000 ms';
      assert.deepEqual(told.logged.at(-1), { event: 'runs-lost', fields: { count: 1, reason } });
    });
  });
}
