/** The life of a database: made once, met again by the next start, and told apart from an answer when it is gone. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sql } from 'kysely';
import { newId } from '#core/ids';
import { UnavailableError } from '#core/errors';
import type { StorageTarget } from '#storage/index';
import { migrations } from '../../src/storage/migrations/index.ts';
import { openTestStorage } from '../helpers/storage.ts';
import { auditOf, keyOf, newProject, packed, runOf, START_MS, usageOf } from './records.ts';

export function lifeSuite(create: () => Promise<StorageTarget>): void {
  it('is migrated by its first start, left as it is by the second, and refused by a third with an edited migration', async () => {
    const target = await create();
    const first = (await openTestStorage(target)).storage;
    assert.deepEqual(
      first.migrated,
      migrations.map((migration) => migration.name),
    );
    const applied = first.db.selectFrom('revoagent_migrations').selectAll().orderBy('name');
    const before = await applied.execute();
    await first.close();

    const second = (await openTestStorage(target)).storage;
    assert.deepEqual(second.migrated, []);
    assert.deepEqual(await second.db.executeQuery(applied).then(({ rows }) => rows), before);
    // A newer version's migration is no error: that version and this one run on the same tables.
    await second.db.insertInto('revoagent_migrations').values({ name: '9999-newer', digest: 'unknown' }).execute();
    await second.close();
    const third = (await openTestStorage(target)).storage;
    await third.db
      .updateTable('revoagent_migrations')
      .set({ digest: 'of another text' })
      .where('name', '=', '0001-first')
      .execute();
    await third.close();
    await assert.rejects(openTestStorage(target), /0001-first was edited after it was applied/);
  });

  it('tells a statement that is wrong from a database that is gone', async () => {
    const { storage } = await openTestStorage(await create());
    const projectId = await newProject(storage);
    await assert.rejects(
      storage.ask('test', async (db) => sql`select * from nowhere`.execute(db)),
      (error) => error instanceof Error && !(error instanceof UnavailableError) && /nowhere/.test(error.message),
    );
    await storage.ping();
    await storage.close();

    const { keys, runs, usage, audit } = storage.stores;
    const key = keyOf(projectId);
    const run = newId('run', START_MS);
    const page = { limit: 1 };
    const asked: readonly (() => Promise<unknown>)[] = [
      () => keys.insert(key),
      () => keys.findById(key.id),
      () => keys.list(projectId, page),
      () => keys.revoke(projectId, key.id, START_MS),
      () => keys.anyActive(),
      () => runs.upsertMany(packed(runOf(projectId))),
      () => runs.find(projectId, undefined, run),
      () => runs.list(projectId, undefined, page),
      () => runs.purge(START_MS, 1),
      () => usage.insertMany([usageOf(projectId)]),
      () => usage.report(projectId, { fromWallMs: 0, toWallMs: START_MS, groupBy: null, groupsMax: 1 }),
      () => usage.purge(START_MS, 1),
      () => audit.append(auditOf(projectId)),
      () => audit.list(projectId, page),
      () => audit.purge(START_MS, 1),
      () => storage.ping(),
    ];
    for (const ask of asked)
      await assert.rejects(ask, (error) => {
        assert.ok(error instanceof UnavailableError, `${String(ask)} threw ${String(error)}`);
        assert.equal(error.code, 'database_unavailable');
        return true;
      });
  });
}
