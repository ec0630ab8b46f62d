/** Turns in a conversation: what of it a model is told, and that a turn is whole, or broken, and which. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError, UpstreamError } from '#core/errors';
import type { AgentCall } from '#contract/agents';
import type { ChatMessage } from '#contract/chat';
import { abortError, callerGone } from '#contract/gateway';
import {
  aborted,
  agentRecord,
  answer,
  askUser,
  calls,
  eventsOf,
  fails,
  hangsAfter,
  resultOf,
  saidIn,
  says,
  startAgentBench,
  user,
  weather,
} from '../../tests/helpers/agent-bench.ts';
import type { AgentScript } from '../../tests/helpers/agent-bench.ts';
import { until } from '../../tests/helpers/upstream.ts';

const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const result = (id: string, content: string): ChatMessage => ({ role: 'tool', tool_call_id: id, content });
const toldOf = (messages: readonly ChatMessage[] = []) =>
  messages.map((message) => `${message.role}: ${saidIn(message)}`);

function talk(script: AgentScript) {
  const bench = startAgentBench({ ...script, agent: { instructions: '', ...script.agent } });
  const conversationId = bench.conversations.create(bench.agent.id);
  const turn = (messages: readonly ChatMessage[] = [user('And now?')]) =>
    bench.agents.turn(bench.call({ conversationId, messages }));
  return { ...bench, conversationId, turn, last: () => bench.conversations.last(conversationId) };
}

const away = new UnavailableError('database_unavailable', 'The database is away.');

describe('a turn in a conversation', () => {
  it('is running while the model is asked, and whole before its caller is told that it ended', async () => {
    const bench = talk({ model: [says('Hello.')] });
    const states: string[] = [];
    for await (const { type } of bench.turn([user('Hi.')])) states.push(`${type} ${bench.last().state}`);
    assert.deepEqual(states, ['start running', 'step running', 'delta running', 'end whole']);
    const { input, output, end, errorCode, runIds } = bench.last();
    assert.deepEqual(
      { input, output, end, errorCode },
      {
        input: [user('Hi.')],
        output: [assistant('Hello.')],
        end: 'stop',
        errorCode: null,
      },
    );
    assert.deepEqual(runIds, [bench.asked[0]?.runId]);
  });

  it('is told what was said before, broken turns left out', async () => {
    const bench = talk({ model: [says('Third.')] });
    bench.conversations.held(bench.conversationId, [user('One?')], [assistant('First.')]);
    bench.conversations.held(bench.conversationId, [user('Lost?')], [assistant('Half')], { state: 'broken' });
    await resultOf(bench.turn([user('Three?')]));
    assert.deepEqual(toldOf(bench.asked[0]?.request.messages), ['user: One?', 'assistant: First.', 'user: Three?']);
  });

  it('keeps the calls and the results of its tools, and tells them in the next turn', async () => {
    const bench = talk({
      agent: { tools: [weather] },
      model: [calls([['weather', { city: 'Berlin' }]]), says('Sunny.'), says('You are welcome.')],
      external: async () => answer(200, ['clear']).given,
    });
    await resultOf(bench.turn([user('Weather?')]));
    assert.deepEqual(
      bench.last().tools.map(({ name, outcome }) => `${name} ${outcome}`),
      ['weather succeeded'],
    );
    await resultOf(bench.turn([user('Thanks.')]));
    assert.deepEqual(toldOf(bench.asked.at(-1)?.request.messages), [
      'user: Weather?',
      'assistant: ',
      'tool: clear',
      'assistant: Sunny.',
      'user: Thanks.',
    ]);
  });

  it('begins a conversation of the agent’s where it is asked for a new one', async () => {
    const bench = talk({ model: [says('Hello.')] });
    const [start] = await eventsOf(bench.agents.turn(bench.call({ conversationId: 'new' })));
    const id = start?.type === 'start' ? (start.conversationId ?? '') : '';
    assert.equal(bench.conversations.records.get(id)?.agentId, bench.agent.id);
    assert.equal(bench.conversations.last(id).state, 'whole');
  });

  it('that is refused begins no conversation', async () => {
    const bench = startAgentBench({ agent: { tools: [weather] }, model: [says('Hello.')] });
    const given: Partial<AgentCall>[] = [
      { messages: [{ role: 'system', content: 'Obey.' }] },
      { messages: [result('call-0', 'x')] },
      { tools: [{ type: 'function', function: { name: 'weather' } }] },
    ];
    for (const refused of given)
      await assert.rejects(eventsOf(bench.agents.turn(bench.call({ conversationId: 'new', ...refused }))), {
        code: 'invalid_body',
      });
    assert.deepEqual([bench.conversations.records.size, bench.asked.length], [0, 0]);
  });

  it('that fails is broken with the error’s code, and the next one is not told of it', async () => {
    const bench = talk({ model: [fails(new UpstreamError('upstream_cut', 'Cut.')), says('Better.')] });
    await assert.rejects(resultOf(bench.turn([user('One?')])), { code: 'upstream_cut' });
    const { state, errorCode } = bench.last();
    assert.deepEqual({ state, errorCode }, { state: 'broken', errorCode: 'upstream_cut' });
    await resultOf(bench.turn([user('Two?')]));
    assert.deepEqual(toldOf(bench.asked[1]?.request.messages), ['user: Two?']);
  });

  it('whose caller leaves, in the middle of a tool, is broken as cancelled', async () => {
    const left = new AbortController();
    const bench = talk({
      agent: { tools: [weather] },
      model: [calls([['weather', { city: 'Berlin' }]])],
      external: ({ signal }) => aborted(signal),
    });
    const call = bench.call({ conversationId: bench.conversationId, signal: left.signal });
    const pending = resultOf(bench.agents.turn(call));
    await until('the tool runs', () => bench.externals.length === 1);
    left.abort(callerGone);
    await assert.rejects(pending, { code: 'cancelled' });
    assert.deepEqual([bench.last().state, bench.last().errorCode], ['broken', 'cancelled']);
  });

  it('that its reader drops between two events is broken as cancelled', async () => {
    const bench = talk({ model: [says('One two three.')] });
    for await (const { type } of bench.turn()) if (type === 'delta') break;
    assert.deepEqual([bench.last().state, bench.last().errorCode], ['broken', 'cancelled']);
  });

  it('that cannot be begun asks nobody', async () => {
    const bench = talk({ model: [says('Hello.')] });
    bench.conversations.away = away;
    await assert.rejects(resultOf(bench.turn()), { code: 'database_unavailable' });
    assert.equal(bench.asked.length, 0);
    assert.equal(bench.clock.pending, 0);
  });

  it('that cannot be kept does not end: its caller gets the error in place of the last event', async () => {
    const bench = talk({ model: [says('Hello.')] });
    const types: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { type } of bench.turn()) {
          types.push(type);
          if (type === 'delta') bench.conversations.away = away;
        }
      },
      { code: 'database_unavailable' },
    );
    assert.deepEqual(types, ['start', 'step', 'delta']);
    assert.equal(bench.last().state, 'running');
  });

  it('whose conversation goes meanwhile ends in a conflict', async () => {
    const bench = talk({ model: [says('Hello.')] });
    await assert.rejects(
      async () => {
        for await (const { type } of bench.turn()) if (type === 'delta') bench.conversations.turnsOf.clear();
      },
      { code: 'conflict' },
    );
  });

  it('that fails where the database cannot be told so is logged, and its caller gets the first error', async () => {
    const bench = talk({ model: [hangsAfter('So'), says('x')], agent: {} });
    const left = new AbortController();
    const call = bench.call({ conversationId: bench.conversationId, signal: left.signal });
    await assert.rejects(
      async () => {
        for await (const { type } of bench.agents.turn(call)) {
          if (type !== 'delta') continue;
          bench.conversations.away = away;
          left.abort(callerGone);
        }
      },
      { code: 'cancelled' },
    );
    assert.deepEqual(bench.log, ['warn turn-not-marked']);
  });

  it('is refused with a conflict while another one runs, and where it is another agent’s it is not found', async () => {
    const bench = talk({ model: [hangsAfter('So')] });
    const first = bench.turn();
    await first.next();
    await assert.rejects(resultOf(bench.turn()), { code: 'conflict' });
    await first.return();
    const foreign = bench.conversations.create(agentRecord().id);
    for (const conversationId of [foreign, '\0'])
      await assert.rejects(resultOf(bench.agents.turn(bench.call({ conversationId }))), { code: 'not_found' });
    const orphan = bench.conversations.create(null);
    assert.equal((await bench.agents.turn(bench.call({ conversationId: orphan })).next()).value?.type, 'start');
  });

  it('is kept alive with all others by one timer, until it ends', async () => {
    const bench = talk({ model: [hangsAfter('So')] });
    const other = bench.conversations.create(bench.agent.id);
    const turns = [bench.turn(), bench.agents.turn(bench.call({ conversationId: other }))];
    for (const turn of turns) await turn.next();
    await bench.clock.advance(10_000);
    bench.conversations.away = away;
    await bench.clock.advance(10_000);
    bench.conversations.away = null;
    await turns[0]?.return();
    await bench.clock.advance(10_000);
    assert.deepEqual(
      bench.conversations.extended.map((ids) => ids.length),
      [2, 1],
    );
    assert.deepEqual(bench.log, ['warn turns-not-extended']);
    await turns[1]?.return();
    await bench.clock.advance(10_000);
    assert.equal(bench.clock.pending, 0);
  });
});

describe('calls that the caller executes', () => {
  const script: AgentScript = { agent: { tools: [askUser] }, model: [calls([['ask_user', {}]]), says('Blue, then.')] };

  it('are gone on with by their results', async () => {
    const bench = talk(script);
    const { end } = await resultOf(bench.turn([user('Paint it.')]));
    assert.equal(end, 'tool_calls');
    assert.equal((await resultOf(bench.turn([result('call-0', 'blue')]))).text, 'Blue, then.');
    assert.deepEqual(toldOf(bench.asked[1]?.request.messages), ['user: Paint it.', 'assistant: ', 'tool: blue']);
  });

  it('left without results are told as that, when the user goes on', async () => {
    const bench = talk(script);
    await resultOf(bench.turn([user('Paint it.')]));
    await resultOf(bench.turn([user('Never mind.')]));
    assert.deepEqual(toldOf(bench.asked[1]?.request.messages), [
      'user: Paint it.',
      'assistant: ',
      'tool: No result was given for this call.',
      'user: Never mind.',
    ]);
  });

  it('that nobody made have no result, and that turn is broken', async () => {
    const bench = talk(script);
    await resultOf(bench.turn([user('Paint it.')]));
    for (const messages of [
      [result('call-9', 'blue')],
      [result('call-0', 'blue'), result('call-0', 'red')],
      [user('x'), result('call-0', 'blue')],
      [assistant('I said so.')],
    ]) {
      await assert.rejects(resultOf(bench.turn(messages)), { code: 'invalid_body' });
      assert.deepEqual([bench.last().state, bench.last().errorCode], ['broken', 'invalid_body']);
    }
    assert.equal(bench.asked.length, 1);
  });

  it('are told with what their vendor sealed them with while they are open, and without it afterwards', async () => {
    const bench = talk({ agent: { tools: [askUser] }, model: [says('Ok.')] });
    const sealed: ChatMessage = {
      role: 'assistant',
      content: null,
      thinking_blocks: [{ type: 'thinking', signature: 's' }],
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'ask_user', arguments: '{}' }, extra_content: 1 }],
    };
    bench.conversations.held(bench.conversationId, [user('Q')], [sealed], { end: 'tool_calls' });
    await resultOf(bench.turn([result('a', 'yes')]));
    await resultOf(bench.turn([user('Next.')]));
    assert.deepEqual(bench.asked[0]?.request.messages[1], sealed);
    assert.deepEqual(bench.asked[1]?.request.messages[1], {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'ask_user', arguments: '{}' } }],
    });
  });
});

describe('a conversation that is longer than the agent’s bound', () => {
  /** 100 tokens a turn. */
  const long = (place: number): [ChatMessage[], ChatMessage[]] => [
    [user(`q${place}`.padEnd(200, '.'))],
    [assistant(`a${place}`.padEnd(200, '.'))],
  ];
  const places = (messages: readonly ChatMessage[] = []) =>
    messages.filter(({ role }) => role === 'user').map((message) => saidIn(message).replaceAll('.', ''));

  it('is told from the newest turn back, as many whole ones as fit', async () => {
    const bench = talk({ agent: { history: { policy: 'trim', tokensMax: 350 } }, model: [says('Ok.')] });
    for (let place = 0; place < 120; place++) bench.conversations.held(bench.conversationId, ...long(place));
    await resultOf(bench.turn([user('now')]));
    assert.deepEqual(places(bench.asked[0]?.request.messages), ['q117', 'q118', 'q119', 'now']);
  });

  it('is told whole where a caller’s tool made several turns of one exchange, even beyond the bound', async () => {
    const bench = talk({
      agent: { tools: [askUser], history: { policy: 'trim', tokensMax: 50 } },
      model: [says('Ok.')],
    });
    const made: ChatMessage = {
      role: 'assistant',
      content: 'x'.repeat(400),
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'ask_user', arguments: '{}' } }],
    };
    bench.conversations.held(bench.conversationId, ...long(0));
    bench.conversations.held(bench.conversationId, [user('q1')], [made], { end: 'tool_calls' });
    await resultOf(bench.turn([result('a', 'yes')]));
    assert.deepEqual(
      bench.asked[0]?.request.messages.map(({ role }) => role),
      ['user', 'assistant', 'tool'],
    );
    await resultOf(bench.turn([user('now')]));
    assert.deepEqual(places(bench.asked[1]?.request.messages), ['now']);
  });

  it('is put together by the model, once for several turns, and what it costs counts', async () => {
    const bench = talk({
      agent: { history: { policy: 'summarise', tokensMax: 400 } },
      model: [says('They count.'), says('Ok.'), says('Ok again.')],
    });
    for (let place = 1; place <= 5; place++) bench.conversations.held(bench.conversationId, ...long(place));
    const { costMicroUsd, runIds } = await resultOf(bench.turn([user('now')]));
    const [summarising, answering] = bench.asked;
    assert.match(saidIn(summarising?.request.messages[1]), /^user: q1\.+\n\nassistant: a1.*q3.*a3\.+$/s);
    assert.match(saidIn(answering?.request.messages[0]), /Summary of this conversation so far:\nThey count\./);
    assert.deepEqual(places(answering?.request.messages), ['q4', 'q5', 'now']);
    assert.deepEqual([costMicroUsd, runIds.length], [200, 2]);
    const kept = bench.conversations.records.get(bench.conversationId);
    assert.deepEqual([kept?.summary, kept?.summaryUpTo], ['They count.', 3]);
    await resultOf(bench.turn([user('later')]));
    assert.equal(bench.asked.length, 3);
    assert.match(saidIn(bench.asked[2]?.request.messages[0]), /They count\./);
    assert.deepEqual(places(bench.asked[2]?.request.messages), ['q4', 'q5', 'now', 'later']);
  });

  it('is told without a summary where there is none to be had, be it an error or the last resort', async () => {
    for (const refused of [
      fails(new UpstreamError('upstream_failed', 'No.')),
      says('All our lines are busy.', 'error', { degraded: true }),
    ]) {
      const bench = talk({
        agent: { history: { policy: 'summarise', tokensMax: 400 } },
        model: [refused, says('Ok.')],
      });
      for (let place = 1; place <= 5; place++) bench.conversations.held(bench.conversationId, ...long(place));
      assert.equal((await resultOf(bench.turn([user('now')]))).text, 'Ok.');
      assert.deepEqual(places(bench.asked[1]?.request.messages), ['q4', 'q5', 'now']);
      assert.equal(bench.conversations.records.get(bench.conversationId)?.summary, null);
      assert.deepEqual(bench.log, ['warn history-not-summarised']);
    }
  });

  it('is told without a summary where that took its share of the deadline, and the answer has the rest', async () => {
    const bench = talk({
      agent: { history: { policy: 'summarise', tokensMax: 400 } },
      model: [hangsAfter('They'), says('Ok.')],
    });
    for (let place = 1; place <= 5; place++) bench.conversations.held(bench.conversationId, ...long(place));
    const told = resultOf(bench.turn([user('now')]));
    await until('the summary is asked for', () => bench.asked.length === 1);
    await bench.clock.advance(bench.agent.limits.deadlineMs / 2);
    const { text, end, costMicroUsd } = await told;
    assert.deepEqual([text, end, costMicroUsd], ['Ok.', 'stop', null], 'what the cut one cost is not known');
    const { signal } = bench.asked[0] ?? assert.fail();
    assert.ok(signal.aborted);
    assert.equal(abortError(signal).code, 'upstream_timeout');
    assert.deepEqual(bench.log, ['warn history-not-summarised']);
  });

  it('has its own memory, where the agent’s scope says so', async () => {
    const bench = talk({ agent: { memory: { scope: 'conversation', recall: 3 } }, model: [says('Ok.')] });
    const events = await eventsOf(bench.turn());
    assert.equal(events[0]?.type === 'start' ? events[0].memory : null, 'used');
    assert.deepEqual(bench.recalls[0]?.scopes, [`conversation:${bench.conversationId}`]);
  });
});
