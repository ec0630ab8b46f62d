/** What goes with age besides what was recorded of requests: forgotten conversations with all that is theirs, old facts, dead keys, sums. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { sql } from 'kysely';
import { newId } from '#core/ids';
import type { Stores } from '#contract/stores';
import type { Config } from '#config/index';
import { loadConfig } from '#config/index';
import { purgeWithAge } from '#hub/storage';
import { providerKinds } from '#hub/index';
import type { Storage } from '#storage/index';
import { waitFor } from '../helpers/hub-process.ts';
import { listeners, nothingTold } from '../helpers/storage.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { conversationOf, keyOf, memoryOf, newProject, turnOf, usageOf } from './records.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = Date.UTC(2001, 0, 1);
const OLD_MS = Date.UTC(1980, 0, 1);
const PURGES = ['keys', 'memories', 'conversations'] as const;

type Table = 'keys' | 'memories' | 'conversations' | 'turns' | 'usage_months';

async function rowsIn({ db }: Storage, table: Table, projectId: string): Promise<number> {
  const { rows } = await sql`select from ${sql.table(table)} where project_id = ${projectId}`.execute(db);
  return rows.length;
}

/** One of each kind, dated so. */
async function keepAll({ stores }: Storage, projectId: string, wallMs: number): Promise<void> {
  const { keys, memories, conversations, usage } = stores;
  await keys.insert(keyOf(projectId, { createdWallMs: 0, revokedWallMs: wallMs }));
  await memories.insert(memoryOf(projectId, { createdWallMs: wallMs }), null);
  const conversation = conversationOf(projectId, { createdWallMs: 0, updatedWallMs: wallMs });
  await conversations.importMany([
    { conversation, turns: [turnOf(conversation), turnOf(conversation, { number: 2 })] },
  ]);
  await memories.insert(memoryOf(projectId, { scope: `conversation:${conversation.id}`, createdWallMs: NOW_MS }), null);
  await usage.insertMany([usageOf(projectId, { startedWallMs: wallMs })]);
  await usage.rollUp(wallMs + 1, 1_000);
}

async function counts(storage: Storage, projectId: string): Promise<Record<Table, number>> {
  const of = (table: Table): Promise<number> => rowsIn(storage, table, projectId);
  return {
    keys: await of('keys'),
    memories: await of('memories'),
    conversations: await of('conversations'),
    turns: await of('turns'),
    usage_months: await of('usage_months'),
  };
}

export function retentionSuite(storage: () => Storage): void {
  hubSuite(storage);
  failingSuite(storage);
  describe('what is kept for long', () => {
    /** What the other suites left. */
    beforeEach(async () => {
      const { usage, ...stores } = storage().stores;
      for (const name of PURGES) while ((await stores[name].purge(OLD_MS, 1_000)) > 0);
      while ((await usage.purgeMonths(OLD_MS, 1_000)) > 0);
    });

    it('is purged by age, the oldest first, never more at once than was asked', async () => {
      const projectId = await newProject(storage());
      for (const ms of [1, 2, 3]) await keepAll(storage(), projectId, ms);
      await keepAll(storage(), projectId, NOW_MS);
      const { stores } = storage();
      for (const name of PURGES) {
        const { purge } = stores[name];
        assert.deepEqual([await purge(4, 2), await purge(4, 2), await purge(4, 2)], [2, 1, 0], name);
      }
      assert.deepEqual(await counts(storage(), projectId), {
        keys: 1,
        // The young one, and that of the young conversation: those of the old ones went with them.
        memories: 2,
        conversations: 1,
        turns: 2,
        usage_months: 2,
      });
    });

    it('does not go with others: an active key, a fact of another scope, a conversation that goes on', async () => {
      const { keys, memories, conversations } = storage().stores;
      const projectId = await newProject(storage());
      const active = keyOf(projectId, { createdWallMs: 1 });
      await keys.insert(active);
      const [old, alive] = [1, 2].map(() => conversationOf(projectId, { createdWallMs: 1, updatedWallMs: 1 }));
      if (old === undefined || alive === undefined) assert.fail();
      for (const each of [old, alive]) await conversations.insert(each);
      const others = memoryOf(projectId, { scope: `conversation:${alive.id}`, createdWallMs: OLD_MS });
      await memories.insert(others, null);
      await conversations.beginTurn(turnOf({ id: alive.id, projectId }, { startedWallMs: OLD_MS }), OLD_MS + 1);
      assert.deepEqual([await keys.purge(9, 9), await conversations.purge(9, 9)], [0, 1]);
      assert.ok(await keys.findById(active.id));
      assert.equal(await conversations.find(projectId, old.id), null);
      assert.equal((await conversations.find(projectId, alive.id))?.turns, 1);
      assert.deepEqual(await memories.find(projectId, others.id), others);
    });

    it('are sums of months that began before, never more at once than was asked', async () => {
      const { usage } = storage().stores;
      const projectId = await newProject(storage());
      const months = [0, 1, 2, 3].map((month) => Date.UTC(1980, month, 1));
      await usage.insertMany(months.map((startedWallMs) => usageOf(projectId, { startedWallMs })));
      await usage.rollUp(NOW_MS, 1_000);
      const before = Date.UTC(1980, 3, 1);
      const purge = (): Promise<number> => usage.purgeMonths(before, 2);
      assert.deepEqual([await purge(), await purge(), await purge()], [2, 1, 0]);
      assert.equal(await rowsIn(storage(), 'usage_months', projectId), 1);
    });
  });
}

/** By the hub's rules over the database. */
function hubSuite(storage: () => Storage): void {
  describe('what is kept for long', () => {
    it('is deleted by the hub when its time is over, and not before; conversations and facts only where one is set', async () => {
      const { config: defaults } = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname });
      const years = { usageMonthRetentionDays: 3_650, usageRetentionDays: 400, revokedKeyRetentionDays: 3_650 };
      const begun = async (retention: Partial<Config['storage']>, young: string, old: string) => {
        await keepAll(storage(), young, NOW_MS - 1_000 * DAY_MS);
        await keepAll(storage(), old, NOW_MS - 3_700 * DAY_MS);
        const clock = new VirtualClock(NOW_MS);
        const { logger } = listeners(nothingTold());
        const config = { ...defaults, storage: { ...defaults.storage, ...years, ...retention } };
        const purging = purgeWithAge(storage(), { config, clock, logger });
        await clock.advance(HOUR_MS);
        // The last thing of a round.
        await waitFor(async () => ((await counts(storage(), old)).keys === 0 ? true : null));
        return purging;
      };
      const whole = { keys: 1, memories: 2, conversations: 1, turns: 2, usage_months: 1 };

      const [young, old] = [await newProject(storage()), await newProject(storage())];
      (await begun({}, young, old)).stop();
      const left = await counts(storage(), old);
      assert.deepEqual(left, { ...whole, keys: 0, usage_months: 0 });
      assert.deepEqual(await counts(storage(), young), whole);

      const bounds = { conversationRetentionDays: 2_000, memoryRetentionDays: 2_000 };
      const [younger, older] = [await newProject(storage()), await newProject(storage())];
      const purging = await begun(bounds, younger, older);
      await waitFor(async () => ((await counts(storage(), older)).conversations === 0 ? true : null));
      purging.stop();
      assert.deepEqual(await counts(storage(), older), {
        keys: 0,
        memories: 0,
        conversations: 0,
        turns: 0,
        usage_months: 0,
      });
      assert.deepEqual(await counts(storage(), younger), whole);
    });
  });
}

function failingSuite(storage: () => Storage): void {
  describe('what cannot be deleted at once', () => {
    it('is left, and nothing is told or tried again, once the hub stops', async () => {
      const { config } = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname });
      const clock = new VirtualClock(NOW_MS);
      const told = nothingTold();
      const asked = Promise.withResolvers<number>();
      const rollUp = (): Promise<number> => asked.promise;
      const stores: Stores = { ...storage().stores, usage: { ...storage().stores.usage, rollUp } };
      const purging = purgeWithAge({ stores }, { config, clock, logger: listeners(told).logger });
      await clock.advance(HOUR_MS);
      purging.stop();
      asked.reject(new Error('the database is closed'));
      await clock.advance(HOUR_MS);
      assert.deepEqual([told.logged, clock.pending], [[], 0]);
    });

    it('is deleted in smaller parts, and what cannot be deleted at all holds up nothing else', async () => {
      const { config: defaults } = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname });
      const days = { conversationRetentionDays: 1, runRetentionDays: 10, contentRetentionDays: 100 };
      const usageDays = { usageRetentionDays: 400, usageMonthRetentionDays: 40 };
      const config = { ...defaults, storage: { ...defaults.storage, ...days, ...usageDays } };
      const projectId = await newProject(storage());
      const old = Array.from({ length: 5 }, () => conversationOf(projectId, { createdWallMs: 1, updatedWallMs: 1 }));
      for (const each of old) await storage().stores.conversations.insert(each);
      const { usage, conversations, claims, contents, spend } = storage().stores;
      const claim = { id: newId('clm', 1), projectId, owner: 'gone', fingerprint: 'f' };
      await claims.take(claim, 1, 2);
      const [contentsBefore, monthsBefore, spendBefore]: number[][] = [[], [], []];
      assert.ok(contentsBefore && monthsBefore && spendBefore);
      const none = (told: number[]) => async (before: number) => {
        told.push(before);
        return 0;
      };
      const slow = new Error('canceling statement due to statement timeout');
      const stores: Stores = {
        ...storage().stores,
        usage: { ...usage, rollUp: () => Promise.reject(slow), purgeMonths: none(monthsBefore) },
        contents: { ...contents, purge: none(contentsBefore) },
        conversations: {
          ...conversations,
          purge: (wallMs, rows) => (rows > 4 ? Promise.reject(slow) : conversations.purge(wallMs, rows)),
        },
        spend: { ...spend, purge: async (beforeDay) => void spendBefore.push(beforeDay) },
      };
      const clock = new VirtualClock(NOW_MS);
      const told = nothingTold();
      const purging = purgeWithAge({ stores }, { config, clock, logger: listeners(told).logger });
      await clock.advance(HOUR_MS);
      // The last of a round.
      await waitFor(() => spendBefore.length > 0 || null);
      assert.deepEqual(spendBefore, [NOW_MS / DAY_MS - 62], 'two months are looked back on');
      assert.deepEqual(contentsBefore, [NOW_MS + HOUR_MS - 10 * DAY_MS], 'what was said does not outlive its run');
      assert.deepEqual(monthsBefore, [Date.UTC(1999, 10, 1)], 'a sum does not go before what it is of');
      const { rows: kept } = await sql`select from claims where id = ${claim.id}`.execute(storage().db);
      assert.equal(kept.length, 0);
      purging.stop();
      assert.equal(await rowsIn(storage(), 'conversations', projectId), 0);
      assert.deepEqual(told.logged, [{ event: 'purge-failed', fields: { what: 'usage-sums', reason: slow.message } }]);
    });
  });
}
