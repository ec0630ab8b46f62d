/** The memory of an agent in a turn: recalled before it, used by its model, and gone without taking the answer along. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '#core/errors';
import { limits } from '#core/limits';
import { calls, eventsOf, resultOf, saidIn, says, startAgentBench, user } from '../../tests/helpers/agent-bench.ts';
import { until } from '../../tests/helpers/upstream.ts';

describe('the memory of an agent', () => {
  const remembering = { tools: [{ kind: 'memory' } as const], memory: { scope: 'agent' as const, recall: 5 } };

  it('is recalled for what the user says last, and told as notes', async () => {
    const bench = startAgentBench({
      agent: remembering,
      model: [says('Hello Ada.')],
      recall: async () => ['She is Ada.'],
    });
    const result = await resultOf(bench.agents.turn(bench.call({ messages: [user('Hello?')] })));
    assert.equal(result.memory, 'used');
    const [recall] = bench.recalls;
    assert.deepEqual([recall?.text, recall?.limit, recall?.scopes], ['Hello?', 5, [`agent:${bench.agent.id}`]]);
    assert.match(saidIn(bench.asked[0]?.request.messages[0]), /^Be of help\.\n\nNotes from .*\n- She is Ada\.$/s);
  });

  it('being away, the agent answers, says so, and its model is not told that there is nothing', async () => {
    const bench = startAgentBench({
      agent: remembering,
      model: [calls([['remember', { fact: 'x' }]]), says('I am here.')],
      recall: async () => {
        throw new UnavailableError('memory_unavailable', 'No memory here.');
      },
      remember: async () => {
        throw new UnavailableError('memory_unavailable', 'No memory here.');
      },
    });
    const events = await eventsOf(bench.agents.turn(bench.call()));
    assert.equal(events[0]?.type === 'start' ? events[0].memory : null, 'unavailable');
    const end = events.at(-1);
    assert.ok(end?.type === 'end');
    assert.deepEqual([end.result.text, end.result.memory], ['I am here.', 'unavailable']);
    assert.match(saidIn(bench.asked[0]?.request.messages[0]), /cannot be reached just now/);
    assert.match(saidIn(bench.asked[1]?.request.messages.at(-1)), /The tool failed: No memory here/);
  });

  it('being silent, it is not waited for beyond its limit', async () => {
    const bench = startAgentBench({
      agent: remembering,
      model: [says('Here.')],
      recall: () => new Promise(() => undefined),
    });
    const pending = resultOf(bench.agents.turn(bench.call()));
    await until('it is recalled', () => bench.recalls.length === 1);
    await bench.clock.advance(limits.agentRecallMs);
    assert.equal((await pending).memory, 'unavailable');
  });

  it('is kept and looked into by the model’s own tools', async () => {
    const bench = startAgentBench({
      agent: { ...remembering, memory: { scope: 'project', recall: 0 } },
      model: [
        calls([
          ['remember', { fact: 'Tea, no coffee.' }],
          ['recall', { about: 'drinks' }],
        ]),
        says('Noted.'),
      ],
      recall: async () => ['Milk too.'],
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.deepEqual(bench.remembered, ['Tea, no coffee.']);
    assert.equal(bench.asked[1]?.request.messages.at(-1)?.content, '- Milk too.');
    assert.equal(result.memory, 'used');
  });

  it('that was away once in a turn is said to have been, even where a later call of it was served', async () => {
    const bench = startAgentBench({
      agent: remembering,
      model: [calls([['remember', { fact: 'x' }]]), says('Noted.')],
      recall: async () => {
        throw new UnavailableError('memory_unavailable', 'No memory here.');
      },
    });
    const { memory, tools } = await resultOf(bench.agents.turn(bench.call()));
    assert.deepEqual([memory, tools[0]?.outcome], ['unavailable', 'succeeded']);
  });

  it('keeps no fact of a conversation, or of an agent, that is deleted while the turn runs', async () => {
    const remembers = [calls([['remember', { fact: 'Tea, no coffee.' }]]), says('Noted.')];
    const talk = startAgentBench({
      agent: { ...remembering, memory: { scope: 'conversation', recall: 0 } },
      model: remembers,
      remember: async () => talk.conversations.records.clear(),
    });
    const conversationId = talk.conversations.create(talk.agent.id);
    const said = await resultOf(talk.agents.turn(talk.call({ conversationId })));
    const alone = startAgentBench({ agent: remembering, model: remembers, remember: async () => alone.deleteAgent() });
    const told = await resultOf(alone.agents.turn(alone.call()));
    assert.deepEqual([talk.remembered, alone.remembered], [[], []]);
    assert.deepEqual([said.tools[0]?.outcome, told.tools[0]?.outcome], ['failed', 'failed']);
    assert.match(saidIn(alone.asked[1]?.request.messages.at(-1)), /was deleted meanwhile/);
  });

  it('of a conversation is not offered where there is none', async () => {
    const bench = startAgentBench({
      agent: { ...remembering, memory: { scope: 'conversation', recall: 5 } },
      model: [says('Hello.')],
    });
    assert.equal((await resultOf(bench.agents.turn(bench.call()))).memory, 'none');
    assert.equal(bench.asked[0]?.request['tools'], undefined);
    assert.equal(bench.recalls.length, 0);
  });
});
