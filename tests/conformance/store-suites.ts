/** Keys, runs and the audit log: kept whole, paged newest first, and never seen from another project. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { newId } from '#core/ids';
import type { KeyRecord } from '#contract/stores';
import { DEFAULT_ORGANISATION_ID } from '#contract/stores';
import type { Storage } from '#storage/index';
import { auditOf, claimOf, keyOf, newProject, packed, pages, runOf, START_MS } from './records.ts';

/** Half a surrogate pair, NUL, quotes, an emoji, and what would end a statement built by hand. */
const HARD_TEXT = `'"\\ \u{1F600} é \n'; drop table runs; --`;
const UNSTORABLE = 'a\0b\uD800c';
const STORED = 'a\uFFFDb\uFFFDc';

export function keySuite(storage: () => Storage): void {
  describe('keys', () => {
    it('come back as they were inserted, whatever characters the name holds', async () => {
      const { keys } = storage().stores;
      const projectId = await newProject(storage());
      for (const name of [HARD_TEXT, 'x'.repeat(100)]) {
        const key = keyOf(projectId, { name, scopes: ['chat', 'read', 'admin'] });
        await keys.insert(key);
        const kept = { ...key, limits: {}, projectLimits: {}, organisationId: DEFAULT_ORGANISATION_ID };
        assert.deepEqual(plain(await keys.findById(key.id)), plain(kept));
      }
      const odd = keyOf(projectId, { name: UNSTORABLE });
      await keys.insert(odd);
      assert.equal((await keys.findById(odd.id))?.name, STORED);
      assert.equal(await keys.findById(keyOf(projectId).id), null);
    });

    it('are revoked once, at the time of the first revocation, by their own project alone', async () => {
      const { keys } = storage().stores;
      const key = keyOf(await newProject(storage()));
      await keys.insert(key);
      assert.equal(await keys.revoke(await newProject(storage()), key.id, START_MS + 1), false);
      assert.equal((await keys.findById(key.id))?.revokedWallMs, null);
      assert.equal(await keys.revoke(key.projectId, key.id, START_MS + 2), true);
      assert.equal(await keys.revoke(key.projectId, key.id, START_MS + 3), false);
      assert.equal((await keys.findById(key.id))?.revokedWallMs, START_MS + 2);
    });

    it('are listed newest first, page by page, each once, and never those of another project', async () => {
      const { keys } = storage().stores;
      const [mine, others] = [await newProject(storage()), await newProject(storage())];
      const made: string[] = [];
      for (let index = 0; index < 7; index++) {
        const key = keyOf(mine, { createdWallMs: START_MS + index });
        made.unshift(key.id);
        await keys.insert(key);
        await keys.insert(keyOf(others, { createdWallMs: START_MS + index }));
      }
      assert.deepEqual(await pages((page) => keys.list(mine, page), 3), [
        made.slice(0, 3),
        made.slice(3, 6),
        made.slice(6),
      ]);
    });

    it('that are active are told from those that are all revoked', async () => {
      const { keys } = storage().stores;
      const { db } = storage();
      await db.updateTable('keys').set({ revoked_ms: START_MS }).where('revoked_ms', 'is', null).execute();
      assert.equal(await keys.anyActive(), false);
      await keys.insert(keyOf(await newProject(storage())));
      assert.equal(await keys.anyActive(), true);
    });
  });
}

export function runSuite(storage: () => Storage): void {
  describe('runs', () => {
    it('come back as they were written, whatever characters they hold', async () => {
      const { runs } = storage().stores;
      const projectId = await newProject(storage());
      const run = runOf(projectId, { requestedModel: HARD_TEXT, overheadMs: 0.25 });
      const odd = runOf(projectId, { requestedModel: UNSTORABLE });
      await runs.upsertMany(packed(run, odd));
      assert.deepEqual(await runs.find(projectId, undefined, run.id), run);
      assert.deepEqual(await runs.find(projectId, undefined, odd.id), { ...odd, requestedModel: STORED });
      assert.equal(await runs.find(projectId, undefined, runOf(projectId).id), null);
    });

    it('that are written again are replaced, unless they are another project’s', async () => {
      const { runs } = storage().stores;
      const run = runOf(await newProject(storage()));
      await runs.upsertMany(packed(run));
      await runs.upsertMany(packed({ ...run, status: 'failed' }));
      assert.equal((await runs.find(run.projectId, undefined, run.id))?.status, 'failed');
      const thief = await newProject(storage());
      await runs.upsertMany(packed({ ...run, projectId: thief, status: 'cancelled' }));
      assert.equal((await runs.find(run.projectId, undefined, run.id))?.status, 'failed');
      assert.equal(await runs.find(thief, undefined, run.id), null);
    });

    it('are seen by their key or, without one asked for, by the whole project; by nobody else', async () => {
      const { runs } = storage().stores;
      const [mine, others] = [await newProject(storage()), await newProject(storage())];
      const [ofKey, ofNone] = [runOf(mine, { keyId: 'key_a' }), runOf(mine, { keyId: null })];
      await runs.upsertMany(packed(ofKey, ofNone, runOf(others, { keyId: 'key_a' })));
      const seen = async (keyId: string | null | undefined): Promise<string[]> => {
        const listed = (await runs.list(mine, keyId, { limit: 10 })).map((run) => run.id);
        for (const run of [ofKey, ofNone])
          assert.equal((await runs.find(mine, keyId, run.id)) !== null, listed.includes(run.id));
        return listed.toSorted();
      };
      assert.deepEqual(await seen('key_a'), [ofKey.id]);
      assert.deepEqual(await seen(null), [ofNone.id]);
      assert.deepEqual(await seen('key_b'), []);
      assert.deepEqual(await seen(undefined), [ofKey.id, ofNone.id].toSorted());
      assert.equal(await runs.find(others, undefined, ofKey.id), null);
    });

    it('are listed newest first, page by page, each once', async () => {
      const { runs } = storage().stores;
      const projectId = await newProject(storage());
      const made = Array.from({ length: 7 }, (_, index) => runOf(projectId, { startedWallMs: START_MS + index }));
      await runs.upsertMany(packed(...made));
      const ids = made.map((run) => run.id).toReversed();
      for (const keyId of [undefined, null])
        assert.deepEqual(await pages((page) => runs.list(projectId, keyId, page), 3), [
          ids.slice(0, 3),
          ids.slice(3, 6),
          ids.slice(6),
        ]);
    });
  });
}

export function purgeSuite(storage: () => Storage): void {
  describe('old runs', () => {
    it('are purged by age, the oldest first, never more at once than was asked', async () => {
      const { runs } = storage().stores;
      const projectId = await newProject(storage());
      const old = Array.from({ length: 5 }, (_, index) => runOf(projectId, { startedWallMs: index + 1 }));
      const kept = runOf(projectId);
      await runs.upsertMany(packed(...old, kept));
      const left = async (): Promise<number[]> =>
        (await runs.list(projectId, undefined, { limit: 10 })).map((run) => run.startedWallMs);
      assert.equal(await runs.purge(6, 3), 3);
      assert.deepEqual(await left(), [kept.startedWallMs, 5, 4]);
      assert.equal(await runs.purge(5, 3), 1);
      assert.equal(await runs.purge(6, 3), 1);
      assert.equal(await runs.purge(6, 3), 0);
      assert.deepEqual(await left(), [kept.startedWallMs]);
    });
  });
}

export function auditSuite(storage: () => Storage): void {
  describe('the audit log', () => {
    it('comes back as it was appended, newest first, page by page, and never another project’s', async () => {
      const { audit } = storage().stores;
      const [mine, others] = [await newProject(storage()), await newProject(storage())];
      const made = Array.from({ length: 5 }, (_, index) =>
        auditOf(mine, { atWallMs: START_MS + index, detail: { [HARD_TEXT]: [index, null, { deep: HARD_TEXT }] } }),
      );
      for (const record of made) {
        await audit.append(record);
        await audit.append(auditOf(others));
      }
      const ids = made.map((record) => record.id).toReversed();
      assert.deepEqual(await pages((page) => audit.list(mine, page), 2), [
        ids.slice(0, 2),
        ids.slice(2, 4),
        ids.slice(4),
      ]);
      assert.deepEqual(await audit.list(mine, { limit: 1 }), [made.at(-1)]);
    });

    it('is found by who, what and to what, together, page by page, in its own project alone', async () => {
      const { audit } = storage().stores;
      const [mine, others] = [await newProject(storage()), await newProject(storage())];
      const fields = ['actor', 'action', 'subject'] as const;
      const wanted = { actor: 'key_wanted', action: 'key-created', subject: HARD_TEXT };
      const made = Array.from({ length: 3 }, (_, index) => auditOf(mine, { atWallMs: START_MS + index, ...wanted }));
      for (const record of made) await audit.append(record);
      for (const field of fields) await audit.append(auditOf(mine, { ...wanted, [field]: 'another' }));
      await audit.append(auditOf(others, wanted));
      const ids = made.map((record) => record.id).toReversed();
      assert.deepEqual(await pages((page) => audit.list(mine, page, wanted), 2), [ids.slice(0, 2), ids.slice(2)]);
      assert.equal((await audit.list(mine, { limit: 10 }, { action: 'another' })).length, 1);
      assert.deepEqual(await audit.list(mine, { limit: 10 }, { actor: 'nobody' }), []);
    });

    it('is purged by age, the oldest first, never more at once than was asked', async () => {
      const { audit } = storage().stores;
      const projectId = await newProject(storage());
      for (const atWallMs of [1, 2, 3, START_MS]) await audit.append(auditOf(projectId, { atWallMs }));
      assert.deepEqual([await audit.purge(4, 2), await audit.purge(4, 2), await audit.purge(4, 2)], [2, 1, 0]);
      assert.deepEqual(
        (await audit.list(projectId, { limit: 9 })).map(({ atWallMs }) => atWallMs),
        [START_MS],
      );
    });

    it('takes characters that the database cannot keep', async () => {
      const { audit } = storage().stores;
      const detail = (text: string) => ({ name: text, tools: [{ [text]: text }] });
      const record = auditOf(await newProject(storage()), { subject: UNSTORABLE, detail: detail(UNSTORABLE) });
      await audit.append(record);
      assert.deepEqual(await audit.list(record.projectId, { limit: 1 }), [
        { ...record, subject: STORED, detail: detail(STORED) },
      ]);
    });
  });
}

/** One driver gives a Buffer, the other a Uint8Array. */
function plain(key: KeyRecord | null): unknown {
  return key === null ? null : { ...key, secretHash: Buffer.from(key.secretHash).toString('hex') };
}

export function claimSuite(storage: () => Storage): void {
  describe('claims', () => {
    const id = (name: string): string => `${name}-${newId('clm', START_MS)}`;

    it('are taken by one of many who ask at once, who then sees the others told so', async () => {
      const { claims } = storage().stores;
      const projectId = await newProject(storage());
      const contested = id('one');
      const asked = Array.from({ length: 10 }, () => claimOf(projectId, contested));
      const answers = await Promise.all(asked.map((claim) => claims.take(claim, START_MS, START_MS + 1_000)));
      assert.equal(answers.filter((answer) => answer === null).length, 1);
      for (const answer of answers.filter((each) => each !== null))
        assert.deepEqual(answer, { fingerprint: 'f', done: false });
    });

    it('last until their end, longer where they are extended, and are anybody’s afterwards', async () => {
      const { claims } = storage().stores;
      const projectId = await newProject(storage());
      const [lease, longer] = [claimOf(projectId, id('lease')), claimOf(projectId, id('longer'))];
      for (const claim of [lease, longer]) assert.equal(await claims.take(claim, START_MS, START_MS + 1_000), null);
      await claims.extend([longer.owner], START_MS + 5_000);
      const later = START_MS + 2_000;
      assert.equal(await claims.take(claimOf(projectId, lease.id, { fingerprint: 'g' }), later, later + 1), null);
      assert.deepEqual(await claims.take(claimOf(projectId, longer.id), later, later + 1), {
        fingerprint: 'f',
        done: false,
      });
      // Who lost it can neither finish nor release what is another's now.
      await claims.finish(lease.id, lease.owner, later + 9_000);
      await claims.release(lease.id, lease.owner);
      assert.deepEqual(await claims.take(claimOf(projectId, lease.id), later, later + 1), {
        fingerprint: 'g',
        done: false,
      });
    });

    it('are remembered when they were done, and forgotten when they came to nothing', async () => {
      const { claims } = storage().stores;
      const projectId = await newProject(storage());
      const [done, failed] = [claimOf(projectId, id('done')), claimOf(projectId, id('failed'))];
      for (const claim of [done, failed]) await claims.take(claim, START_MS, START_MS + 1_000);
      await claims.finish(done.id, done.owner, START_MS + 90_000);
      await claims.release(failed.id, failed.owner);
      await claims.extend([done.owner], START_MS + 1);
      const later = START_MS + 50_000;
      assert.deepEqual(await claims.take(claimOf(projectId, done.id), later, later + 1), {
        fingerprint: 'f',
        done: true,
      });
      assert.equal(await claims.take(claimOf(projectId, failed.id), later, later + 1), null);
    });

    it('are purged after their end, no more at once than was asked', async () => {
      const { claims } = storage().stores;
      const projectId = await newProject(storage());
      while ((await claims.purge(START_MS + 1_000_000, 1_000)) > 0);
      for (let at = 0; at < 5; at++)
        await claims.take(claimOf(projectId, id('old')), START_MS, START_MS + 1_000 * (at + 1));
      assert.equal(await claims.purge(START_MS + 4_500, 3), 3);
      assert.equal(await claims.purge(START_MS + 4_500, 3), 1);
      assert.equal(await claims.purge(START_MS + 4_500, 3), 0);
    });
  });
}

export function instanceSuite(storage: () => Storage): void {
  describe('instances', () => {
    it('are counted while they live, until they leave, and are forgotten by the next one that beats', async () => {
      const { instances } = storage().stores;
      assert.equal(await instances.beat('one', 60_000), 1);
      assert.equal(await instances.beat('two', 60_000), 2);
      assert.equal(await instances.beat('one', 60_000), 2, 'nobody is counted twice');
      assert.equal(await instances.beat('brief', 0), 3);
      assert.equal(await instances.beat('brief', 0), 3, 'itself, however late it is');
      assert.equal(await instances.beat('brief', 60_000), 3);
      assert.equal(await instances.beat('two', 60_000), 3, 'each beat is good for a life');
      await instances.leave('two');
      assert.equal(await instances.beat('brief', 0), 2, 'nobody else has left');
      assert.equal(await instances.beat('one', 60_000), 1);
      const rows = await storage().db.selectFrom('instances').select('incarnation').execute();
      assert.deepEqual(rows, [{ incarnation: 'one' }]);
    });
  });
}

export function spendSuite(storage: () => Storage): void {
  describe('what budgets came to', () => {
    it('is added up over its writers, and a batch that a writer tells again counts once', async () => {
      const { spend } = storage().stores;
      const name = `key:${randomUUID()}:usd:day`;
      const rows = [5, 7].map((microUsd, day) => ({ name, startDay: 20_000 + day, microUsd }));
      const [one, other] = [randomUUID(), randomUUID()];
      for (const number of [1, 1, 2, 1]) await spend.add({ writer: one, number, rows });
      await spend.add({ writer: other, number: 1, rows });
      assert.deepEqual(await spend.read([name], 20_000), new Map([[name, 15]]));
      assert.deepEqual(await spend.read([name], 20_001), new Map([[name, 21]]));
      assert.deepEqual(await spend.read([`${name}-other`], 20_000), new Map());
    });

    it('is forgotten when its period is, and which batch was the last when nobody can tell it again', async () => {
      const { db, stores } = storage();
      const { spend } = stores;
      const [name, writer] = [`key:${randomUUID()}:usd:day`, randomUUID()];
      const tell = (number: number): Promise<void> =>
        spend.add({ writer, number, rows: [{ name, startDay: 20_000, microUsd: 5 }] });
      const last = (): Promise<unknown> =>
        db.selectFrom('limit_spend_batches').select('number').where('writer', '=', writer).execute();
      const lastWrittenOn = (day: number): Promise<unknown> =>
        db.updateTable('limit_spend_batches').set({ written_day: day }).where('writer', '=', writer).execute();
      for (const number of [1, 2, 2]) await tell(number);
      // One that has written for long, and has written again today.
      await lastWrittenOn(1);
      await tell(3);
      await spend.purge(20_000);
      await tell(3);
      assert.deepEqual([await spend.read([name], 20_000), await last()], [new Map([[name, 15]]), [{ number: 3 }]]);
      await lastWrittenOn(20_000);
      await spend.purge(20_000);
      assert.deepEqual(await last(), [{ number: 3 }]);
      await spend.purge(20_001);
      assert.deepEqual([await spend.read([name], 20_000), await last()], [new Map(), []]);
    });
  });
}
