/** What was said on its way through a real database: shown before it is stored, erased wherever it is, and deleted by the hub with age. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Caller } from '#contract/gateway';
import type { RunRecord } from '#contract/runs';
import { loadConfig } from '#config/index';
import { createContents } from '#gateway/contents';
import { keepContents, purgeWithAge } from '#hub/storage';
import { providerKinds } from '#hub/index';
import type { Storage } from '#storage/index';
import { waitFor } from '../helpers/hub-process.ts';
import { listeners, nothingTold } from '../helpers/storage.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { contentOf, newProject, runOf } from './records.ts';

const never = new AbortController().signal;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The hub's writer and rules over the database, for one run. */
async function scene(storage: Storage, status: RunRecord['status'] = 'succeeded') {
  const projectId = await newProject(storage);
  const run = runOf(projectId, { content: 'full', status });
  const clock = new VirtualClock();
  const told = nothingTold();
  const { writer } = keepContents(storage, { clock, ...listeners(told) });
  const contents = createContents({
    runs: { get: async (_caller, id) => (id === run.id ? run : null) },
    pending: writer,
    store: storage.stores.contents,
    audit: storage.stores.audit,
    clock,
  });
  const caller: Caller = { keyId: null, projectId, scopes: new Set(['chat']) };
  return { run, clock, writer, contents, caller, told, content: contentOf(projectId, { id: run.id }) };
}

export function contentLifeSuite(storage: () => Storage): void {
  describe('what was said in a run', () => {
    it('is shown from the moment it waits, and when it is stored', async () => {
      const { writer, contents, caller, content, told } = await scene(storage());
      writer.append(content);
      assert.deepEqual(await contents.get(caller, content.id), content);
      await writer.flush(never);
      assert.equal(writer.backlog, 0);
      assert.deepEqual(await contents.get(caller, content.id), content);
      assert.deepEqual(told, nothingTold());
    });

    for (const [when, before, after] of [
      ['while it waits to be stored', ['append'], ['flush']],
      ['before its run has ended', [], ['append', 'flush']],
      ['once it is stored', ['append', 'flush'], ['append', 'flush']],
    ] as const)
      it(`that is erased ${when} is neither shown nor stored from then on, and the audit says so`, async () => {
        const { run, writer, contents, caller, content } = await scene(storage(), 'running');
        const take = async (steps: readonly ('append' | 'flush')[]): Promise<void> => {
          for (const step of steps) await (step === 'append' ? writer.append(content) : writer.flush(never));
        };
        await take(before);
        assert.deepEqual(await contents.erase(caller, 'key_of_somebody', run.id), { erased: true });
        run.status = 'succeeded';
        assert.deepEqual(await contents.get(caller, run.id), { absent: 'none' });
        await take(after);
        assert.deepEqual(await contents.get(caller, run.id), { absent: 'none' });
        assert.equal(await storage().stores.contents.find(run.projectId, run.id), 'erased');
        const [{ actor, action, subject } = assert.fail()] = await storage().stores.audit.list(run.projectId, {
          limit: 1,
        });
        assert.deepEqual([actor, action, subject], ['key_of_somebody', 'content-erased', run.id]);
      });

    it('is deleted by the hub when its time is over or that of its run, and not before', async () => {
      const { contents } = storage().stores;
      const projectId = await newProject(storage());
      const { config: defaults } = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname });
      const nowMs = Date.UTC(2025, 0, 1);
      for (const [contentRetentionDays, runRetentionDays] of [
        [3, 30],
        [30, 3],
      ] as const) {
        const retention = { contentRetentionDays, runRetentionDays };
        const config = { ...defaults, storage: { ...defaults.storage, ...retention } };
        const clock = new VirtualClock(nowMs);
        const { logger } = listeners(nothingTold());
        const old = contentOf(projectId, { startedWallMs: nowMs - 3 * DAY_MS });
        const young = contentOf(projectId, { startedWallMs: nowMs - 3 * DAY_MS + 2 * HOUR_MS });
        await contents.insertMany([old, young]);
        const purging = purgeWithAge(storage(), { config, clock, logger });
        await clock.advance(HOUR_MS);
        await waitFor(async () => ((await contents.find(projectId, old.id)) === null ? true : null));
        assert.deepEqual(await contents.find(projectId, young.id), young);
        purging.stop();
      }
    });
  });
}
