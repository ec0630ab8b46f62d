/** The usage ledger: a row an attempt, written once; sums that leave out what is unknown and say how much that is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UsageRecord, UsageReport } from '#contract/ledger';
import { interrupted } from '#ledger/replay';
import type { Storage } from '#storage/index';
import { newProject, START_MS, usageOf } from './records.ts';

const DAY_MS = 86_400_000;
const always = { fromWallMs: 0, toWallMs: START_MS + 10 * DAY_MS, groupsMax: 100 };

async function totalsIn({ stores }: Storage, projectId: string): Promise<UsageReport['totals']> {
  return (await stores.usage.report(projectId, { ...always, groupBy: null })).totals;
}

function rowsOf({ db }: Storage, projectId: string) {
  return db.selectFrom('usage').selectAll().where('project_id', '=', projectId).orderBy('id').execute();
}

export function usageSuite(storage: () => Storage): void {
  rowSuite(storage);
  batchSuite(storage);
  endSuite(storage);
  sumSuite(storage);
  groupSuite(storage);
  monthSuite(storage);
}

function rowSuite(storage: () => Storage): void {
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
      assert.deepEqual(await rowsOf(storage(), projectId), [
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
          rolled: false,
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
      await usage.insertMany([{ ...row, outcome: 'cut', costMicroUsd: 9 }]);
      const totals = await totalsIn(storage(), projectId);
      assert.deepEqual([totals.attempts, totals.interrupted, totals.costMicroUsd], [2, 0, 7]);
      assert.equal(totals.succeeded, 2);
    });
  });
}

function endSuite(storage: () => Storage): void {
  describe('the usage ledger', () => {
    it('lets a row that knows no end give way to one that does', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      const row = usageOf(projectId, { cachedTokens: 2, costMicroUsd: 7, priceSource: 'settings' });
      await usage.insertMany([interrupted(row)]);
      await usage.insertMany([row]);
      const [found, ...others] = await rowsOf(storage(), projectId);
      const {
        state,
        outcome,
        prompt_tokens: prompt,
        completion_tokens: completion,
        cached_tokens: cached,
      } = found ?? {};
      assert.deepEqual([others, state, outcome, prompt, completion, cached], [[], 'settled', 'succeeded', 3, 5, 2]);
      assert.deepEqual([found?.cost_micro_usd, found?.price_source], [7, 'settings']);
    });

    it('leaves a row alone that is among the sums: nothing is counted twice', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      const row = usageOf(projectId, { costMicroUsd: 7 });
      await usage.insertMany([{ ...row, state: 'interrupted', outcome: 'running', costMicroUsd: null }]);
      await usage.rollUp(row.startedWallMs + 1, 1_000);
      await usage.insertMany([row]);
      assert.deepEqual(
        (await rowsOf(storage(), projectId)).map(({ state, cost_micro_usd: cost }) => [state, cost]),
        [['interrupted', null]],
      );
      assert.equal((await totalsIn(storage(), projectId)).interrupted, 1);
    });
  });
}

function batchSuite(storage: () => Storage): void {
  describe('batches of the usage ledger', () => {
    it('are each what was given, also where some are written at the same time, one after the other and none at all', async () => {
      const projectId = await newProject(storage());
      const batches = [600, 1, 0, 40].map((count) =>
        Array.from({ length: count }, () => usageOf(projectId, { requestedModel: 'é\0'.repeat(20) })),
      );
      const { insertMany } = storage().stores.usage;
      await Promise.all(batches.map(insertMany));
      await insertMany([usageOf(projectId), usageOf(projectId)]);
      assert.deepEqual((await totalsIn(storage(), projectId)).attempts, 643);
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
        usageOf(projectId, { promptTokens: null, outcome: 'status' }),
        usageOf(projectId, { ...nothing, outcome: 'running', state: 'interrupted' }),
      ]);
      await storage().stores.usage.insertMany([usageOf(await newProject(storage()), { costMicroUsd: 1_000 })]);
      const sums = {
        requests: 3,
        attempts: 4,
        succeeded: 2,
        interrupted: 1,
        promptTokens: 6,
        completionTokens: 15,
        cachedTokens: 1,
        unknownTokens: 2,
        costMicroUsd: 5,
        unknownCost: 2,
      };
      // By whole months, by rows alone, and of a moment.
      for (const query of [
        { ...always, groupBy: null },
        { ...always, groupBy: 'day' },
        { fromWallMs: START_MS, toWallMs: START_MS + 1, groupBy: null, groupsMax: 1 },
      ] as const)
        assert.deepEqual((await storage().stores.usage.report(projectId, query)).totals, sums);
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
        usageOf(projectId, { startedWallMs: START_MS + (day + 1) * DAY_MS - 1, costMicroUsd: 1, ...fields });
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

    it('is purged by age, the oldest first, never more at once than was asked, and nothing that is not summed', async () => {
      const { db, stores } = storage();
      const { usage } = stores;
      const projectId = await newProject(storage());
      const left = async (): Promise<number[]> => {
        const rows = db.selectFrom('usage').select('started_ms').where('project_id', '=', projectId);
        return (await rows.orderBy('started_ms').execute()).map(({ started_ms: startedMs }) => startedMs);
      };
      await usage.insertMany([1, 2, 3, START_MS].map((startedWallMs) => usageOf(projectId, { startedWallMs })));
      assert.equal(await usage.purge(10, 2), 0);
      await usage.rollUp(10, 100);
      assert.deepEqual([await usage.purge(10, 2), await left()], [2, [3, START_MS]]);
      assert.deepEqual([await usage.purge(3, 2), await usage.purge(10, 2), await left()], [0, 1, [START_MS]]);
      assert.equal((await totalsIn(storage(), projectId)).attempts, 4, 'the sums outlive the rows');
    });
  });
}

function monthSuite(storage: () => Storage): void {
  describe('the usage ledger, summed by month,', () => {
    it('says the same before, during and after, of whole months, their edges and every grouping', async () => {
      const { db, stores } = storage();
      const { usage } = stores;
      const projectId = await newProject(storage());
      const at = (month: number, day: number): number => Date.UTC(2020, month, day);
      const rows = [at(0, 31), at(1, 1), at(1, 29), at(2, 1), at(2, 15), at(2, 31), at(3, 1), at(3, 2)].map(
        (startedWallMs, number) =>
          usageOf(projectId, {
            startedWallMs,
            keyId: number % 2 === 0 ? null : 'key_a',
            costMicroUsd: number === 3 ? null : 10 ** number,
            ...(number === 4 ? { state: 'interrupted', outcome: 'running', promptTokens: null } : {}),
          }),
      );
      const others = await newProject(storage());
      await usage.insertMany([...rows, usageOf(others, { startedWallMs: at(1, 1) })]);
      const spans = [
        [at(0, 1), at(5, 1)],
        [at(0, 31), at(3, 2)],
        [at(1, 2), at(3, 1)],
        [at(0, 31), at(2, 15)],
        [at(1, 10), at(1, 20)],
      ] as const;
      const ask = async (): Promise<unknown> => {
        const reports = spans.flatMap(([fromWallMs, toWallMs]) =>
          ([null, 'key', 'deployment', 'day'] as const).map((groupBy) =>
            usage.report(projectId, { fromWallMs, toWallMs, groupBy, groupsMax: 100 }),
          ),
        );
        return Promise.all(reports);
      };
      const told = await ask();
      for (const [fromWallMs, toWallMs] of spans) {
        const { totals } = await usage.report(projectId, { fromWallMs, toWallMs, groupBy: null, groupsMax: 1 });
        const within = rows.filter(({ startedWallMs }) => startedWallMs >= fromWallMs && startedWallMs < toWallMs);
        assert.equal(totals.attempts, within.length);
      }
      // Two at a time, as two instances that begin at once: each row is summed by one of them.
      for (let rolled = 2; rolled > 0;) {
        const counts = await Promise.all([usage.rollUp(at(3, 1), 2), usage.rollUp(at(3, 1), 2)]);
        rolled = Math.max(...counts);
        assert.ok(rolled <= 2);
        assert.deepEqual(await ask(), told);
      }
      assert.equal(await usage.rollUp(at(3, 1), 100), 0, 'nothing is summed twice');
      const summed = db.selectFrom('usage').select('id').where('project_id', '=', projectId).where('rolled', '=', true);
      assert.equal(
        (await summed.execute()).length,
        rows.filter(({ startedWallMs }) => startedWallMs < at(3, 1)).length,
      );
      // Late rows of a month that was summed are summed too, and what is in the sums is not changed behind them.
      await usage.insertMany([
        usageOf(projectId, { startedWallMs: at(1, 5) }),
        ...rows.map((row) => ({ ...row, state: 'settled' as const, costMicroUsd: 7 })),
      ]);
      const year = { fromWallMs: at(0, 1), toWallMs: at(11, 31), groupBy: null, groupsMax: 1 };
      const late = await usage.report(projectId, year);
      assert.deepEqual([late.totals.attempts, late.totals.interrupted], [9, 1]);
      assert.equal(await usage.rollUp(at(3, 1), 100), 1);
      assert.deepEqual(await usage.report(projectId, year), late);
    });
  });
}
