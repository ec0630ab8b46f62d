/** Facts: found by words and by meaning, the best first; bounded however many there are; and another project's in nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import { limits } from '#core/limits';
import type { Embedding, MemoryRecord, MemoryScope } from '#contract/memory';
import type { Storage } from '#storage/index';
import { agentOf, conversationOf, memoryOf, newProject, pages, START_MS } from './records.ts';

const HARD_TEXT = `'"\\ \u{1F600} é \n & | ! ( ) <-> :* in prj project'; drop table memories; --`;

const meaning = (...values: number[]): Embedding => ({ model: 'test/one', values });

/** Keeps facts, and says the texts of those that a search finds. */
function over(storage: () => Storage) {
  return {
    async keep(
      projectId: string,
      text: string,
      embedding: Embedding | null = null,
      fields: Partial<MemoryRecord> = {},
    ): Promise<MemoryRecord> {
      const memory = memoryOf(projectId, { text, ...fields });
      await storage().stores.memories.insert(memory, embedding);
      return memory;
    },
    async texts(
      projectId: string,
      text: string,
      embedding: Embedding | null = null,
      scopes: readonly MemoryScope[] = ['project'],
    ): Promise<string[]> {
      const found = await storage().stores.memories.search(projectId, scopes, { text, embedding }, 10);
      return found.map((one) => one.text);
    },
    async taken(at: number, limit: number, again: { leastMs: number; mostMs: number }): Promise<string[]> {
      const facts = await storage().stores.memories.takeToEmbed('test/one', at, again, limit);
      return facts.map(({ id }) => id);
    },
  };
}

export function memorySuite(storage: () => Storage): void {
  factSuite(storage);
  forgettingSuite(storage);
  wordSuite(storage);
  meaningSuite(storage);
}

function factSuite(storage: () => Storage): void {
  const { keep, texts } = over(storage);
  describe('facts', () => {
    it('come back as they were inserted, and are listed newest first by scope, page by page', async () => {
      const { memories } = storage().stores;
      const projectId = await newProject(storage());
      const own = await keep(projectId, HARD_TEXT, null, { scope: 'agent:a' });
      const shared: string[] = [];
      for (let at = 1; at <= 3; at++)
        shared.unshift((await keep(projectId, 'x', null, { createdWallMs: START_MS + at })).id);
      assert.deepEqual(await memories.find(projectId, own.id), own);
      const all = [...shared, own.id];
      assert.deepEqual(await pages((page) => memories.list(projectId, page, {}), 3), [all.slice(0, 3), all.slice(3)]);
      const only = await memories.list(projectId, { limit: 9 }, { scope: 'project' });
      assert.deepEqual(
        only.map(({ id }) => id),
        shared,
      );
    });

    it('of another project or scope are found, listed, searched, embedded and deleted by nobody', async () => {
      const { memories } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const theirs = await keep(others, 'the sky is blue', meaning(1, 0));
      await keep(projectId, 'the sky is grey', meaning(1, 0), { scope: 'agent:a' });
      assert.deepEqual(await texts(projectId, 'sky', meaning(1, 0)), []);
      assert.deepEqual(await texts(projectId, `in ${others} project`, null), []);
      assert.deepEqual(await texts(projectId, 'sky', meaning(1, 0), ['agent:a', 'project']), ['the sky is grey']);
      assert.equal(await memories.find(projectId, theirs.id), null);
      assert.equal(await memories.delete(projectId, theirs.id), false);
      await memories.setEmbedding(projectId, theirs.id, meaning(0, 1));
      assert.deepEqual(await texts(others, 'none', meaning(1, 0)), ['the sky is blue']);
      assert.equal(await memories.delete(others, theirs.id), true);
      assert.equal(await memories.find(others, theirs.id), null);
    });
  });
}

function forgettingSuite(storage: () => Storage): void {
  const { keep, taken } = over(storage);
  describe('facts that go or wait', () => {
    it('are taken to be embedded by one at a time, until the time is up or they are of this model', async () => {
      const { memories, db } = { ...storage().stores, db: storage().db };
      await db.deleteFrom('memories').execute();
      const projectId = await newProject(storage());
      const none = await keep(projectId, 'none');
      const lower = await keep(projectId, 'lower', { model: 'a', values: [1] });
      const higher = await keep(projectId, 'higher', { model: 'z', values: [1] });
      await keep(projectId, 'same', meaning(1));
      const take = (at: number, limit: number) => taken(at, limit, { leastMs: 10, mostMs: 10 });
      const [some, rest] = await Promise.all([take(1, 2), take(1, 2)]);
      assert.deepEqual([...some, ...rest].toSorted(), [none.id, lower.id, higher.id].toSorted());
      assert.deepEqual(await take(10, 9), []);
      for (const { id } of [none, lower]) await memories.setEmbedding(projectId, id, meaning(1));
      assert.deepEqual(await take(11, 9), [higher.id]);
    });

    it('are taken again after as long as they are old, within bounds', async () => {
      await storage().db.deleteFrom('memories').execute();
      const { id, createdWallMs: made } = await keep(await newProject(storage()), 'never taken by the model');
      const asked: number[] = [];
      for (let age = 0; age < 400; age++)
        if ((await taken(made + age, 1, { leastMs: 10, mostMs: 100 })).includes(id)) asked.push(age);
      assert.deepEqual(asked, [0, 10, 20, 40, 80, 160, 260, 360]);
    });

    it('go with their agent and with their conversation, and others stay', async () => {
      const { agents, conversations, memories } = storage().stores;
      const projectId = await newProject(storage());
      const [agent, conversation] = [agentOf(projectId), conversationOf(projectId)];
      await agents.insert(agent);
      await conversations.insert(conversation);
      await keep(projectId, 'of the agent', null, { scope: `agent:${agent.id}` });
      await keep(projectId, 'of the conversation', null, { scope: `conversation:${conversation.id}` });
      const stays = await keep(projectId, 'of the project');
      assert.equal(await agents.delete(projectId, agent.id, 9), 'changed');
      assert.equal((await memories.list(projectId, { limit: 9 }, {})).length, 3);
      assert.equal(await agents.delete(projectId, agent.id, undefined), 'deleted');
      assert.ok(await conversations.delete(projectId, conversation.id));
      assert.deepEqual(await memories.list(projectId, { limit: 9 }, {}), [stays]);
    });
  });
}

function wordSuite(storage: () => Storage): void {
  const { keep, texts } = over(storage);
  describe('facts by words', () => {
    it('are found by any of the words in any form, those with more of them first', async () => {
      const projectId = await newProject(storage());
      await keep(projectId, 'Anna lives in Berlin');
      await keep(projectId, 'Anna prefers tea');
      await keep(projectId, 'Carla is a pilot');
      assert.deepEqual(await texts(projectId, 'Where is ANNA living? Berlin?'), [
        'Anna lives in Berlin',
        'Anna prefers tea',
      ]);
      assert.deepEqual(await texts(projectId, 'where is the'), [], 'words that say nothing find nothing');
      assert.deepEqual(await texts(projectId, ''), []);
    });

    it('are safe from every text, and found by it', async () => {
      const projectId = await newProject(storage());
      const hard = [
        HARD_TEXT,
        `o'brien\\path "quoted"`,
        'a:*b & c',
        '\0null',
        '\uD800half',
        "''''",
        '\\',
        `C:\\dir\\o'x`,
      ];
      for (const text of hard) {
        await keep(projectId, text);
        await texts(projectId, text);
      }
      assert.ok((await texts(projectId, `o'brien`)).includes(`o'brien\\path "quoted"`));
      assert.ok((await texts(projectId, `C:\\dir\\o'x`)).includes(`C:\\dir\\o'x`));
    });

    it('by a rare word are found among any number that hold a common one, also asked together', async () => {
      const projectId = await newProject(storage());
      await fillScope(storage(), projectId, limits.recallMatchesMax * 3);
      await keep(projectId, 'common and needle');
      await fillScope(storage(), projectId, limits.recallMatchesMax);
      assert.equal((await texts(projectId, 'common needle'))[0], 'common and needle');
      assert.equal((await texts(projectId, 'common')).length, 10);
    });
  });
}

function meaningSuite(storage: () => Storage): void {
  const { keep, texts } = over(storage);
  describe('facts by meaning', () => {
    it('are found by meaning where no word is shared, the nearest first, and by both before those by one', async () => {
      const projectId = await newProject(storage());
      await keep(projectId, 'near', meaning(10, 1, 0));
      await keep(projectId, 'far', meaning(-1, 0, 0.1));
      await keep(projectId, 'between', meaning(1, 5, 0));
      assert.deepEqual(await texts(projectId, 'nothing', meaning(1, 0, 0)), ['near', 'between', 'far']);
      await keep(projectId, 'a cat', meaning(0, 0, 1));
      assert.equal((await texts(projectId, 'cat', meaning(0, 0.5, 1)))[0], 'a cat');
      assert.equal((await texts(projectId, 'cat'))[0], 'a cat', 'without an embedding, by words');
    });

    it('are compared only with embeddings of their own model and length, and one without direction is none', async () => {
      const { memories } = storage().stores;
      const projectId = await newProject(storage());
      await keep(projectId, 'one', meaning(1, 0));
      await keep(projectId, 'longer', meaning(1, 0, 0));
      await keep(projectId, 'other', { model: 'test/two', values: [1, 0] });
      for (const none of [[], [0, 0], [Number.NaN, 1], [Infinity, 1]]) await keep(projectId, 'none', meaning(...none));
      assert.deepEqual(await texts(projectId, 'x', meaning(1, 0)), ['one']);
      assert.deepEqual(await texts(projectId, 'x', meaning(1, 0, 0)), ['longer']);
      assert.deepEqual(await texts(projectId, 'x', meaning(0, 0)), []);
      await memories.setEmbedding(projectId, (await keep(projectId, 'late')).id, meaning(2, 0));
      assert.deepEqual((await texts(projectId, 'x', meaning(1, 0))).toSorted(), ['late', 'one']);
    });
  });
}

/** Facts that all hold one word. */
async function fillScope({ db }: Storage, projectId: string, facts: number): Promise<void> {
  await sql`insert into memories (project_id, id, scope, text, words, embed_after_ms, created_ms)
    select ${projectId}, 'mem_' || gen_random_uuid(), 'project', 'common',
      array_to_tsvector(array['in ' || ${projectId}::text || ' project']) || to_tsvector('english', 'common'), 0, 0
    from generate_series(1, ${facts}::int)`.execute(db);
}
