/** The usage ledger: a row an attempt, written once; sums that leave out what is unknown and say how much that is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UsageRecord, UsageReport } from '#contract/ledger';
import type { Storage } from '#storage/index';
import { newProject, START_MS, usageOf } from './records.ts';

const DAY_MS = 86_400_000;
const always = { fromWallMs: 0, toWallMs: START_MS + 10 * DAY_MS, groupsMax: 100 };

async function totalsIn({ stores }: Storage, projectId: string): Promise<UsageReport['totals']> {
  return (await stores.usage.report(projectId, { ...always, groupBy: null })).totals;
}

export function usageSuite(storage: () => Storage): void {
  rowSuite(storage);
  sumSuite(storage);
  groupSuite(storage);
}

function rowSuite(storage: () => Storage): void {
  const rowsOf = async (projectId: string): Promise<unknown[]> =>
    storage().db.selectFrom('usage').selectAll().where('project_id', '=', projectId).orderBy('id').execute();

  describe('the usage ledger', () => {
    it('keeps every field of a row, null where it is not known', async () => {
      const projectId = await newProject(storage());
      const known = usageOf(projectId, {
        keyId: 'key_a',
        route: 'fast',
        requestedModel: `'"\\ é\n`,
        kind: 'fallback',
        outcome: 'cut',
        cachedTokens: 2,
        costMicroUsd: 2 ** 52,
        priceSource: 'settings',
      });
      await storage().stores.usage.insertMany([known]);
      assert.deepEqual(await rowsOf(projectId), [
        {
          id: known.id,
          run_id: known.runId,
          project_id: projectId,
          key_id: 'key_a',
          route: 'fast',
          requested_model: known.requestedModel,
          deployment: 'test/test',
          provider: 'test',
          model: 'test',
          kind: 'fallback',
          started_ms: START_MS,
          state: 'settled',
          outcome: 'cut',
          prompt_tokens: 3,
          completion_tokens: 5,
          cached_tokens: 2,
          estimated_prompt_tokens: 4,
          cost_micro_usd: 2 ** 52,
          price_source: 'settings',
        },
      ]);
    });

    it('has a row once however often it is written, and the first one stays', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      const row = usageOf(projectId, { costMicroUsd: 7 });
      await usage.insertMany([row, row]);
      await usage.insertMany([
        { ...row, state: 'interrupted', outcome: 'running', costMicroUsd: null },
        usageOf(projectId),
      ]);
      const totals = await totalsIn(storage(), projectId);
      assert.deepEqual([totals.attempts, totals.interrupted, totals.costMicroUsd], [2, 0, 7]);
    });
  });
}

function sumSuite(storage: () => Storage): void {
  describe('the usage ledger, summed,', () => {
    it('sums what is known, counts what is not, and counts a request by its first attempt', async () => {
      const projectId = await newProject(storage());
      const nothing = { promptTokens: null, completionTokens: null };
      await storage().stores.usage.insertMany([
        usageOf(projectId, { costMicroUsd: 5, cachedTokens: 1 }),
        usageOf(projectId, { kind: 'fallback', costMicroUsd: 0 }),
        usageOf(projectId, { ...nothing, outcome: 'status' }),
        usageOf(projectId, { ...nothing, outcome: 'running', state: 'interrupted' }),
      ]);
      await storage().stores.usage.insertMany([usageOf(await newProject(storage()), { costMicroUsd: 1_000 })]);
      assert.deepEqual(await totalsIn(storage(), projectId), {
        requests: 3,
        attempts: 4,
        succeeded: 2,
        interrupted: 1,
        promptTokens: 6,
        completionTokens: 10,
        cachedTokens: 1,
        unknownTokens: 2,
        costMicroUsd: 5,
        unknownCost: 2,
      });
      assert.equal((await totalsIn(storage(), await newProject(storage()))).attempts, 0);
    });

    it('sums money exactly, far beyond what a float counts in cents', async () => {
      const projectId = await newProject(storage());
      await storage().stores.usage.insertMany([
        usageOf(projectId, { costMicroUsd: 2 ** 52 }),
        ...Array.from({ length: 10 }, () => usageOf(projectId, { costMicroUsd: 1 })),
      ]);
      assert.equal((await totalsIn(storage(), projectId)).costMicroUsd, 2 ** 52 + 10);
    });
  });
}

function groupSuite(storage: () => Storage): void {
  describe('the usage ledger, asked and purged,', () => {
    it('is grouped by each of its groupings, the most attempts first, days in order, and the groups add up', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      const row = (day: number, fields: Partial<UsageRecord>): UsageRecord =>
        usageOf(projectId, { startedWallMs: START_MS + day * DAY_MS, costMicroUsd: 1, ...fields });
      const a = { keyId: 'key_a', model: 'small', deployment: 'one/small', provider: 'one' };
      const b = { keyId: null, model: 'large', deployment: 'two/large', provider: 'two' };
      await usage.insertMany([row(1, a), row(0, b), row(1, b), row(2, b)]);
      const groupsBy = async (groupBy: 'key' | 'model' | 'deployment' | 'provider' | 'day'): Promise<unknown> => {
        const { totals, groups } = await usage.report(projectId, { ...always, groupBy });
        assert.equal(totals.attempts, 4);
        assert.equal(
          groups.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0),
          totals.costMicroUsd,
        );
        return groups.map(({ group, attempts }) => [group, attempts]);
      };
      assert.deepEqual(await groupsBy('key'), [
        [null, 3],
        ['key_a', 1],
      ]);
      assert.deepEqual(await groupsBy('model'), [
        ['large', 3],
        ['small', 1],
      ]);
      assert.deepEqual(await groupsBy('deployment'), [
        ['two/large', 3],
        ['one/small', 1],
      ]);
      assert.deepEqual(await groupsBy('provider'), [
        ['two', 3],
        ['one', 1],
      ]);
      assert.deepEqual(await groupsBy('day'), [
        ['2026-01-01', 1],
        ['2026-01-02', 2],
        ['2026-01-03', 1],
      ]);
      const few = await usage.report(projectId, { ...always, groupBy: 'model', groupsMax: 1 });
      assert.deepEqual([few.groups.map(({ group }) => group), few.totals.attempts], [['large'], 4]);
    });

    it('is asked for a span of time: its begin belongs to it, its end does not', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      await usage.insertMany([0, 1, 2].map((ms) => usageOf(projectId, { startedWallMs: START_MS + ms })));
      const span = { fromWallMs: START_MS, toWallMs: START_MS + 2, groupBy: null, groupsMax: 1 };
      assert.equal((await usage.report(projectId, span)).totals.attempts, 2);
    });

    it('is purged by age, the oldest first, never more at once than was asked', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      await usage.insertMany([1, 2, 3, START_MS].map((startedWallMs) => usageOf(projectId, { startedWallMs })));
      assert.deepEqual([await usage.purge(10, 2), (await totalsIn(storage(), projectId)).attempts], [2, 2]);
      assert.deepEqual([await usage.purge(10, 2), (await totalsIn(storage(), projectId)).attempts], [1, 1]);
    });
  });
}
