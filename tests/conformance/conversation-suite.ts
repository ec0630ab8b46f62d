/** Conversations: turns are begun by one at a time, ended by who began them, found by their words, and gone when they are deleted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import { limits } from '#core/limits';
import type { ConversationRecord, TurnOutcome, TurnRecord } from '#contract/conversations';
import type { Storage } from '#storage/index';
import { agentOf, conversationOf, newProject, pages, START_MS, turnOf } from './records.ts';

const HARD_TEXT = `'"\\ \u{1F600} é \n'; drop table turns; --`;
const LEASE_MS = START_MS + 10_000;

function outcomeOf(fields: Partial<TurnOutcome> = {}): TurnOutcome {
  return {
    state: 'whole',
    output: [{ role: 'assistant', content: 'an answer' }],
    end: 'stop',
    errorCode: null,
    tools: [{ id: 'call_1', name: 'look', outcome: 'succeeded', tookMs: 1.5 }],
    runIds: ['run_1', 'run_2'],
    endedWallMs: START_MS + 5,
    ...fields,
  };
}

/** One whole turn with this question. */
async function say(storage: Storage, { id, projectId }: ConversationRecord, content: string): Promise<void> {
  const { conversations } = storage.stores;
  const turn = turnOf({ id, projectId }, { input: [{ role: 'user', content }] });
  assert.notEqual(typeof (await conversations.beginTurn(turn, LEASE_MS)), 'string');
  assert.ok(await conversations.endTurn(projectId, turn.id, outcomeOf()));
}

async function begun(storage: Storage): Promise<ConversationRecord> {
  const conversation = conversationOf(await newProject(storage));
  await storage.stores.conversations.insert(conversation);
  return conversation;
}

export function conversationSuite(storage: () => Storage): void {
  describe('conversations', () => {
    it('come back as they were inserted, are renamed, and are another project’s in nothing', async () => {
      const { conversations } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const conversation = conversationOf(projectId, { title: HARD_TEXT, summary: HARD_TEXT, summaryUpTo: 3 });
      await conversations.insert(conversation);
      assert.deepEqual(await conversations.find(projectId, conversation.id), conversation);
      assert.equal(await conversations.find(others, conversation.id), null);
      assert.equal(await conversations.rename(others, conversation.id, 'stolen', START_MS + 1), false);
      assert.equal(await conversations.rename(projectId, conversation.id, null, START_MS + 1), true);
      await conversations.saveSummary(others, conversation.id, 'stolen', 9);
      assert.equal(
        await conversations.beginTurn(turnOf({ id: conversation.id, projectId: others }), LEASE_MS),
        'missing',
      );
      assert.equal(await conversations.delete(others, conversation.id), false);
      const renamed = { ...conversation, title: null, updatedWallMs: START_MS + 1 };
      assert.deepEqual(await conversations.find(projectId, conversation.id), renamed);
      // Another project may use the same id, and neither learns of the other.
      await conversations.insert({ ...conversation, projectId: others });
      assert.equal(await conversations.delete(others, conversation.id), true);
      assert.deepEqual(await conversations.find(projectId, conversation.id), renamed);
    });

    it('are listed newest first, page by page, by agent or all, and name an agent only while it is there', async () => {
      const { agents, conversations } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const agent = agentOf(projectId);
      await agents.insert(agent);
      const made: ConversationRecord[] = [];
      for (let index = 0; index < 6; index++) {
        const fields = { createdWallMs: START_MS + index, agentId: index % 2 === 0 ? agent.id : null };
        made.unshift(conversationOf(projectId, fields));
        await conversations.insert(made[0] as ConversationRecord);
        await conversations.insert(conversationOf(others, fields));
      }
      const ids = made.map(({ id }) => id);
      assert.deepEqual(await pages((page) => conversations.list(projectId, page, {}), 4), [
        ids.slice(0, 4),
        ids.slice(4),
      ]);
      const its = made.filter(({ agentId }) => agentId === agent.id);
      const listed = () => conversations.list(projectId, { limit: 10 }, { agentId: agent.id });
      assert.deepEqual(await listed(), its);
      // The other project's conversations name the same agent, which is not there for them.
      assert.deepEqual(
        [...new Set((await conversations.list(others, { limit: 9 }, {})).map((each) => each.agentId))],
        [null],
      );
      await agents.delete(projectId, agent.id, undefined);
      assert.deepEqual(
        await listed(),
        its.map((each) => ({ ...each, agentId: null })),
      );
    });
  });
  endSuite(storage);
  turnSuite(storage);
  leaseSuite(storage);
  searchSuite(storage);
  importSuite(storage);
}

function endSuite(storage: () => Storage): void {
  describe('conversations', () => {
    it('keep the summary that stands for more turns', async () => {
      const { conversations } = storage().stores;
      const { id, projectId } = await begun(storage());
      await conversations.saveSummary(projectId, id, 'up to four', 4);
      await conversations.saveSummary(projectId, id, 'late, up to two', 2);
      const { summary, summaryUpTo } = (await conversations.find(projectId, id)) ?? {};
      assert.deepEqual({ summary, summaryUpTo }, { summary: 'up to four', summaryUpTo: 4 });
    });

    it('that are deleted are gone from every table, with a turn that was running', async () => {
      const { conversations } = storage().stores;
      const conversation = await begun(storage());
      await conversations.rename(conversation.projectId, conversation.id, 'canaryword', START_MS);
      await conversations.saveSummary(conversation.projectId, conversation.id, 'canaryword', 1);
      await say(storage(), conversation, 'canaryword');
      const running = turnOf(conversation, { input: [{ role: 'user', content: 'canaryword' }] });
      await conversations.beginTurn(running, LEASE_MS);
      assert.deepEqual(await tablesWith(storage(), 'canaryword'), ['conversations', 'turns']);
      assert.equal(await conversations.delete(conversation.projectId, conversation.id), true);
      assert.deepEqual(await tablesWith(storage(), 'canaryword'), []);
      assert.deepEqual(await tablesWith(storage(), conversation.id), []);
      assert.equal(await conversations.endTurn(conversation.projectId, running.id, outcomeOf()), false);
      assert.equal(await conversations.delete(conversation.projectId, conversation.id), false);
      assert.deepEqual(await tablesWith(storage(), conversation.id), []);
    });
  });
}

/** Every table in which any column of any row holds the text. */
async function tablesWith({ db }: Storage, text: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`.execute(
    db,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const held = await sql`select 1 from ${sql.table(name)} as t where t::text like ${`%${text}%`} limit 1`.execute(db);
    if (held.rows.length > 0) found.push(name);
  }
  return found;
}

function turnSuite(storage: () => Storage): void {
  describe('turns', () => {
    it('are begun by one of many who ask at once, and numbered without a gap', async () => {
      const { conversations } = storage().stores;
      const conversation = await begun(storage());
      for (const number of [1, 2]) {
        const asked = Array.from({ length: 10 }, () => turnOf(conversation));
        const answers = await Promise.all(asked.map((turn) => conversations.beginTurn(turn, LEASE_MS)));
        assert.deepEqual(
          answers.filter((answer) => answer !== 'busy'),
          [{ number }],
        );
        const winner = asked[answers.findIndex((answer) => answer !== 'busy')] as TurnRecord;
        assert.ok(await conversations.endTurn(conversation.projectId, winner.id, outcomeOf()));
      }
      assert.equal((await conversations.find(conversation.projectId, conversation.id))?.turns, 2);
    });

    it('come back as they were ended, with the fields of each message in their order', async () => {
      const { conversations } = storage().stores;
      const conversation = await begun(storage());
      const { projectId } = conversation;
      const input = [
        { zeta: 1, role: 'user', content: [{ type: 'text', text: HARD_TEXT }], alpha: { b: 1, a: 2 } },
      ] as const;
      const turn = turnOf(conversation, { input });
      await conversations.beginTurn(turn, LEASE_MS);
      const list = () => conversations.turns(projectId, conversation.id, { limit: 10 }, START_MS);
      const running = { state: 'running', output: [], end: null, tools: [], runIds: [], endedWallMs: null } as const;
      assert.deepEqual(await list(), [{ ...turn, ...running }]);
      const outcome = outcomeOf({ state: 'broken', end: null, errorCode: 'timeout' });
      assert.equal(await conversations.endTurn(await newProject(storage()), turn.id, outcome), false);
      assert.equal(await conversations.endTurn(projectId, turn.id, outcome), true);
      assert.equal(await conversations.endTurn(projectId, turn.id, outcomeOf()), false, 'a turn ends once');
      const [read] = await list();
      assert.deepEqual(read, { ...turn, ...outcome });
      assert.equal(JSON.stringify(read?.input), JSON.stringify(input));
      assert.deepEqual(
        await conversations.turns(await newProject(storage()), conversation.id, { limit: 1 }, START_MS),
        [],
      );
    });

    it('are read newest first, those below a number', async () => {
      const { conversations } = storage().stores;
      const conversation = await begun(storage());
      for (const text of ['one', 'two', 'three']) await say(storage(), conversation, text);
      const numbers = async (before: number | undefined, limit: number) =>
        (await conversations.turns(conversation.projectId, conversation.id, { before, limit }, START_MS)).map(
          (turn) => turn.number,
        );
      assert.deepEqual(await numbers(undefined, 2), [3, 2]);
      assert.deepEqual(await numbers(2, 2), [1]);
    });
  });
}

function leaseSuite(storage: () => Storage): void {
  describe('turns', () => {
    it('whose lease ran out are read as broken, marked so by the next one, and ended by nobody any more', async () => {
      const { conversations } = storage().stores;
      const conversation = await begun(storage());
      const { projectId, id } = conversation;
      const [left, next] = [turnOf(conversation), turnOf(conversation, { startedWallMs: LEASE_MS + 6_000 })];
      const states = async (wallMs: number) =>
        (await conversations.turns(projectId, id, { limit: 9 }, wallMs)).map((turn) => turn.state);
      await conversations.beginTurn(left, LEASE_MS);
      assert.deepEqual(await states(LEASE_MS), ['running']);
      assert.deepEqual(await states(LEASE_MS + 1), ['broken']);
      await conversations.extendTurns([left.id, 'trn_another'], LEASE_MS + 5_000);
      assert.deepEqual(await states(LEASE_MS + 5_000), ['running']);
      assert.equal(await conversations.beginTurn({ ...next, startedWallMs: LEASE_MS + 5_000 }, LEASE_MS), 'busy');
      assert.deepEqual(await conversations.beginTurn(next, LEASE_MS + 9_000), { number: 2 });
      assert.deepEqual(await states(START_MS), ['running', 'broken']);
      assert.equal(await conversations.endTurn(projectId, left.id, outcomeOf()), false);
      assert.equal(await conversations.endTurn(projectId, next.id, outcomeOf()), true);
      const read = await conversations.turns(projectId, id, { limit: 9 }, START_MS);
      assert.deepEqual(
        read.map(({ state, output }) => [state, output.length]),
        [
          ['whole', 1],
          ['broken', 0],
        ],
      );
    });

    it('are kept whatever they hold: half characters, a megabyte, a hundred thousand different words', async () => {
      const { conversations } = storage().stores;
      const conversation = await begun(storage());
      const words = Array.from({ length: 150_000 }, (_, index) => index.toString(36)).join(' ');
      const wide = Array.from({ length: 60_000 }, (_, index) => String.fromCodePoint(0x4e00 + (index % 20_000))).join(
        ' ',
      );
      for (const text of ['a\0b\uD800c', 'x'.repeat(2 ** 20), words, wide]) {
        const turn = turnOf(conversation, { input: [{ role: 'user', content: text }] });
        assert.notEqual(typeof (await conversations.beginTurn(turn, LEASE_MS)), 'string');
        const output = [{ role: 'assistant', content: text }] as const;
        assert.ok(await conversations.endTurn(conversation.projectId, turn.id, outcomeOf({ output })));
      }
      assert.ok((await conversations.search(conversation.projectId, '7ps', { limit: 1 })).length === 1);
    });
  });
}

function searchSuite(storage: () => Storage): void {
  describe('a search', () => {
    it('finds conversations with a turn that holds all words, newest first, and no other project’s', async () => {
      const { conversations } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const said: string[] = [];
      for (const [index, text] of ['red Fox', 'red hen', 'the fox, it is RED', 'fox'].entries()) {
        const conversation = conversationOf(projectId, { createdWallMs: START_MS + index });
        const theirs = conversationOf(others, { createdWallMs: START_MS + index });
        for (const each of [conversation, theirs]) {
          await conversations.insert(each);
          await say(storage(), each, text);
        }
        said.push(conversation.id);
      }
      const [first, , third] = said;
      assert.deepEqual(await pages((page) => conversations.search(projectId, 'fox red', page), 1), [
        [third],
        [first],
        [],
      ]);
      const all = await conversations.search(projectId, 'answer', { limit: 10 });
      assert.deepEqual(
        all.map(({ id }) => id),
        said.toReversed(),
        'the model’s messages are found too',
      );
      for (const text of [
        'absent',
        'project',
        `project ${others}`,
        `'project ${others}'`,
        '?!',
        '',
        'red & !fox | hen',
      ])
        assert.deepEqual(await conversations.search(projectId, text, { limit: 10 }), [], text);
    });

    it('for words that very many turns hold still gives the newest', async () => {
      const { conversations } = storage().stores;
      const projectId = await newProject(storage());
      const count = limits.searchMatchesMax + 1;
      const [old, recent] = [conversationOf(projectId), conversationOf(projectId, { createdWallMs: START_MS + 1 })];
      for (const conversation of [old, recent]) await conversations.insert(conversation);
      await sql`insert into turns (project_id, conversation_id, number, id, state, input, output, tools, run_ids, started_ms, words)
        select ${projectId}, ${old.id}, n, 'trn_' || n, 'whole', '[]', '[]', '[]', '{}', 0,
          array_to_tsvector(array['project ' || ${projectId}::text, 'often'])
        from generate_series(1, ${count}::integer) as n`.execute(storage().db);
      await say(storage(), recent, 'often');
      const found = await pages((page) => conversations.search(projectId, 'often', page), 1);
      assert.deepEqual(found, [[recent.id], [old.id], []]);
    });
  });
}

function importSuite(storage: () => Storage): void {
  describe('an import', () => {
    it('brings whole conversations, which go on where they ended', async () => {
      const { conversations } = storage().stores;
      const projectId = await newProject(storage());
      const made = Array.from({ length: 3 }, (_, index) => {
        const conversation = conversationOf(projectId, { createdWallMs: START_MS + index, turns: 2 });
        const turns = [2, 1].map((number) =>
          turnOf(conversation, { number, input: [{ role: 'user', content: 'imported' }] }),
        );
        return { conversation, turns };
      });
      assert.equal(await conversations.importMany(made), true);
      for (const { conversation, turns } of made) {
        assert.deepEqual(await conversations.find(projectId, conversation.id), conversation);
        assert.deepEqual(await conversations.turns(projectId, conversation.id, { limit: 9 }, START_MS), turns);
        assert.deepEqual(await conversations.beginTurn(turnOf(conversation), LEASE_MS), { number: 3 });
      }
      const found = await conversations.search(projectId, 'imported', { limit: 9 });
      assert.deepEqual(
        found.map(({ id }) => id),
        made.map(({ conversation }) => conversation.id).toReversed(),
      );
    });

    it('of which one id is there brings nothing', async () => {
      const { conversations } = storage().stores;
      const there = await begun(storage());
      const { projectId } = there;
      const fresh = conversationOf(projectId, { turns: 1 });
      const turns = [turnOf(fresh)];
      assert.equal(
        await conversations.importMany([
          { conversation: fresh, turns },
          { conversation: there, turns: [] },
        ]),
        false,
      );
      assert.equal(await conversations.find(projectId, fresh.id), null);
      assert.equal(await conversations.importMany([{ conversation: fresh, turns }]), true);
    });
  });
}
