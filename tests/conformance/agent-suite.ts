/** Agents: unique by name in their project, changed one version after the other, and another project's in nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentRecord } from '#contract/agents';
import type { Storage } from '#storage/index';
import { agentOf, newProject, pages, START_MS } from './records.ts';

const HARD_TEXT = `'"\\ \u{1F600} é \n'; drop table agents; --`;

export function agentSuite(storage: () => Storage): void {
  describe('agents', () => {
    it('come back as they were inserted, by id and by name, and another project may have the same', async () => {
      const { agents } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const tools = [{ kind: 'caller', name: 'x', description: HARD_TEXT, parameters: { zeta: [1.5, null] } }] as const;
      const agent = agentOf(projectId, { instructions: HARD_TEXT, sampling: { temperature: 0.1 }, tools });
      assert.equal(await agents.insert(agent), true);
      assert.equal(await agents.insert(agentOf(projectId, { name: agent.name })), false);
      assert.deepEqual(await agents.find(projectId, agent.id), agent);
      assert.deepEqual(await agents.findByName(projectId, agent.name), agent);
      assert.equal(await agents.find(others, agent.id), null);
      assert.equal(await agents.findByName(others, agent.name), null);
      assert.equal(await agents.insert({ ...agent, projectId: others }), true);
    });

    it('are listed newest first, page by page, by the begin of a name taken literally, and by model', async () => {
      const { agents } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const made: string[] = [];
      for (const [index, [name, model]] of [
        ['a_b', 'm'],
        ['acb', 'n'],
        ['a%', 'm'],
        ['b', 'm'],
      ].entries()) {
        const agent = agentOf(projectId, { name: String(name), model: String(model), createdWallMs: START_MS + index });
        await agents.insert(agent);
        await agents.insert({ ...agentOf(others), name: agent.name, model: agent.model });
        made.unshift(agent.id);
      }
      assert.deepEqual(await pages((page) => agents.list(projectId, page, {}), 3), [made.slice(0, 3), made.slice(3)]);
      const named = async (filter: Parameters<typeof agents.list>[2]) =>
        (await agents.list(projectId, { limit: 9 }, filter)).map(({ name }) => name);
      assert.deepEqual(await named({ namePrefix: 'a' }), ['a%', 'acb', 'a_b']);
      assert.deepEqual(await named({ namePrefix: 'a_' }), ['a_b']);
      assert.deepEqual(await named({ namePrefix: 'a%' }), ['a%']);
      assert.deepEqual(await named({ namePrefix: 'a', model: 'm' }), ['a%', 'a_b']);
      assert.deepEqual(await named({ namePrefix: '\\' }), []);
    });
  });
  changeSuite(storage);
}

function changeSuite(storage: () => Storage): void {
  describe('agents', () => {
    it('are changed by one of many who replace the same version at once', async () => {
      const { agents } = storage().stores;
      const agent = agentOf(await newProject(storage()));
      await agents.insert(agent);
      const next = (more: Partial<AgentRecord>): AgentRecord => ({
        ...agent,
        version: 2,
        updatedWallMs: START_MS + 1,
        ...more,
      });
      const changes = Array.from({ length: 8 }, (_, index) => next({ instructions: String(index) }));
      const answers = await Promise.all(changes.map((change) => agents.update(change)));
      assert.deepEqual(answers.toSorted(), [...Array.from({ length: 7 }, () => 'changed'), 'updated']);
      assert.deepEqual(await agents.find(agent.projectId, agent.id), changes[answers.indexOf('updated')]);
    });

    it('are changed and deleted by their own project alone, at their version alone, and never to a name that is taken', async () => {
      const { agents } = storage().stores;
      const [projectId, others] = [await newProject(storage()), await newProject(storage())];
      const [agent, second] = [agentOf(projectId), agentOf(projectId)];
      for (const each of [agent, second]) await agents.insert(each);
      const next = { ...agent, version: 2 };
      assert.equal(await agents.update({ ...next, projectId: others }), 'missing');
      assert.equal(await agents.update({ ...next, name: second.name }), 'name_taken');
      assert.equal(await agents.update({ ...next, version: 3 }), 'changed');
      assert.equal(await agents.delete(others, agent.id, undefined), 'missing');
      assert.equal(await agents.delete(projectId, agent.id, 2), 'changed');
      assert.deepEqual(await agents.find(projectId, agent.id), agent);
      assert.equal(await agents.delete(projectId, agent.id, 1), 'deleted');
      assert.equal(await agents.delete(projectId, agent.id, 1), 'missing');
      assert.equal(await agents.update(next), 'missing');
      assert.deepEqual(await agents.list(projectId, { limit: 9 }, {}), [second]);
    });
  });
}
