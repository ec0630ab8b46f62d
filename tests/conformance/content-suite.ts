/** What was said in runs: kept whole, seen by its own project alone, erased for good, deleted with age. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Storage } from '#storage/index';
import { contentOf, newProject, START_MS } from './records.ts';

export function contentSuite(storage: () => Storage): void {
  describe('contents', () => {
    it('come back as they were written, whatever characters they hold, to their own project alone', async () => {
      const { contents } = storage().stores;
      const projectId = await newProject(storage());
      const messages = JSON.stringify([
        { role: 'user', content: `'"\\ \u{1F600} é \n NUL \0 half \uD800'; drop table contents; --` },
      ]);
      const plain = contentOf(projectId, { messages });
      const cut = contentOf(projectId, { policy: 'redacted', partial: true, truncated: true, answer: '[]' });
      await contents.insertMany([plain, cut]);
      assert.deepEqual(await contents.find(projectId, plain.id), plain);
      assert.deepEqual(await contents.find(projectId, cut.id), cut);
      assert.equal(await contents.find(await newProject(storage()), plain.id), null);
      assert.equal(await contents.find(projectId, contentOf(projectId).id), null);
    });

    it('that are erased are in no row any more, and stay away when they are written again', async () => {
      const { contents } = storage().stores;
      const projectId = await newProject(storage());
      const [stored, late] = [contentOf(projectId), contentOf(projectId)];
      await contents.insertMany([stored]);
      for (const each of [stored, late]) await contents.erase(each);
      await contents.insertMany([stored, late]);
      for (const each of [stored, late]) assert.equal(await contents.find(projectId, each.id), 'erased');
      await contents.erase(stored);
      const rows = await storage().db.selectFrom('contents').selectAll().where('project_id', '=', projectId).execute();
      assert.deepEqual(
        rows.map(({ messages, answer }) => [messages, answer]),
        [
          [null, null],
          [null, null],
        ],
      );
    });

    it('are not erased by another project', async () => {
      const { contents } = storage().stores;
      const mine = contentOf(await newProject(storage()));
      await contents.insertMany([mine]);
      await contents.erase({ ...mine, projectId: await newProject(storage()) });
      assert.deepEqual(await contents.find(mine.projectId, mine.id), mine);
    });

    it('are deleted with age, oldest first and so many at a time, those that were erased too', async () => {
      const { contents } = storage().stores;
      const projectId = await newProject(storage());
      const made = [-3, -2, -1, 0].map((ms) => contentOf(projectId, { startedWallMs: START_MS - 1_000_000 + ms }));
      await contents.insertMany(made);
      const [oldest, second, third, newest] = made;
      assert.ok(oldest !== undefined && second !== undefined && third !== undefined && newest !== undefined);
      await contents.erase(second);
      assert.equal(await contents.purge(newest.startedWallMs, 1), 1);
      assert.equal(await contents.find(projectId, oldest.id), null);
      assert.deepEqual(await contents.find(projectId, third.id), third);
      assert.equal(await contents.purge(newest.startedWallMs, 100), 2);
      assert.equal(await contents.find(projectId, second.id), null);
      assert.deepEqual(await contents.find(projectId, newest.id), newest);
      assert.equal(await contents.purge(newest.startedWallMs, 100), 0);
    });
  });
}
