import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Caller } from '#contract/gateway';
import type { RunRecord } from '#contract/runs';
import type { RunStore } from '#contract/stores';
import { createRunReader } from './run-reader.ts';
import { RunningRuns } from './runs.ts';

function caller(projectId: string, keyId: string, ...scopes: ('read' | 'admin')[]): Caller {
  return { projectId, keyId, scopes: new Set(scopes) };
}

function run(id: string, projectId: string, keyId: string): RunRecord {
  return { id, projectId, keyId } as RunRecord;
}

/** The store's own rules are proved by its suite; this one records what it is asked. */
function readerOver(places: { running?: RunRecord; pending?: RunRecord; stored?: RunRecord }) {
  const asked: unknown[][] = [];
  const running = new RunningRuns();
  if (places.running !== undefined) running.add(places.running);
  const pending = places.pending === undefined ? [] : [places.pending];
  const stored = places.stored === undefined ? [] : [places.stored];
  const store: RunStore = {
    upsertMany: () => Promise.resolve(),
    find: (...question) => {
      asked.push(question);
      return Promise.resolve(stored.find(({ id }) => id === question[2]) ?? null);
    },
    list: (...question) => {
      asked.push(question);
      return Promise.resolve(stored);
    },
    purge: () => Promise.resolve(0),
  };
  const pendingRuns = { get: (id: string) => pending.find((each) => each.id === id), list: () => pending };
  return { asked, reader: createRunReader({ running, pending: pendingRuns, store }) };
}

const own = caller('prj_a', 'key_1', 'read');
const colleague = caller('prj_a', 'key_2', 'read');
const admin = caller('prj_a', 'key_3', 'admin');
const strangers = [caller('prj_b', 'key_1', 'read'), caller('prj_b', 'key_9', 'admin')];

describe('a run', () => {
  for (const place of ['running', 'pending'] as const) {
    it(`is read by its own key and by an admin of its project while it is ${place}, and does not exist for others`, async () => {
      const { reader, asked } = readerOver({ [place]: run('run_1', 'prj_a', 'key_1') });
      for (const one of [own, admin]) {
        assert.equal((await reader.get(one, 'run_1'))?.id, 'run_1');
        assert.deepEqual(
          (await reader.list(one, { limit: 10 })).map(({ id }) => id),
          ['run_1'],
        );
      }
      for (const one of [colleague, ...strangers]) {
        assert.equal(await reader.get(one, 'run_1'), null);
        assert.deepEqual(await reader.list(one, { limit: 10 }), []);
      }
      assert.ok(asked.every(([projectId]) => projectId === 'prj_a' || projectId === 'prj_b'));
    });
  }

  it('is asked of the store with the caller’s project, and the key unless the caller is an admin', async () => {
    const { reader, asked } = readerOver({ stored: run('run_1', 'prj_a', 'key_1') });
    await reader.get(own, 'run_1');
    await reader.get(admin, 'run_1');
    assert.deepEqual(asked, [
      ['prj_a', 'key_1', 'run_1'],
      ['prj_a', undefined, 'run_1'],
    ]);
  });

  it('is listed once, newest first, while it is written', async () => {
    const twice = run('run_2', 'prj_a', 'key_1');
    const { reader } = readerOver({ running: run('run_3', 'prj_a', 'key_1'), pending: twice, stored: twice });
    assert.deepEqual(
      (await reader.list(own, { limit: 10 })).map(({ id }) => id),
      ['run_3', 'run_2'],
    );
    assert.deepEqual(
      (await reader.list(own, { limit: 1 })).map(({ id }) => id),
      ['run_3'],
    );
    assert.deepEqual(
      (await reader.list(own, { before: 'run_3', limit: 10 })).map(({ id }) => id),
      ['run_2'],
    );
  });
});
