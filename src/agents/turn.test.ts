/** A turn without a conversation: its steps, and the limits that end it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubError, UpstreamError } from '#core/errors';
import { callerGone } from '#contract/gateway';
import { chunk } from '../../tests/helpers/http-hub.ts';
import {
  aborted,
  agentRecord,
  answer,
  calls,
  eventsOf,
  fails,
  gives,
  hangsAfter,
  resultOf,
  says,
  startAgentBench,
  user,
  weather,
} from '../../tests/helpers/agent-bench.ts';
import type { Reply } from '../../tests/helpers/agent-bench.ts';
import { CALLED, STREAMED_CALLS } from '../../tests/helpers/streamed-calls.ts';
import { until } from '../../tests/helpers/upstream.ts';

const berlin = ['weather', { city: 'Berlin' }] as const;
const sunny = async () => answer(200, ['{"sky":"clear"}']).given;
const withWeather = { tools: [weather] };

describe('the steps of a turn', () => {
  it('tell the model its instructions, its settings and its tools, and answer with what it says', async () => {
    const bench = startAgentBench({
      agent: { ...withWeather, sampling: { temperature: 0.2, maxTokens: 50, stop: ['END'] } },
      model: [says('Fine, thank you.')],
    });
    const events = await eventsOf(bench.agents.turn(bench.call()));
    assert.deepEqual(
      events.map(({ type }) => type),
      ['start', 'step', 'delta', 'delta', 'delta', 'end'],
    );
    const [asked] = bench.asked;
    assert.ok(asked !== undefined);
    const { model, messages, temperature, max_tokens, stop, tools, stream } = asked.request;
    assert.deepEqual(
      { model, temperature, max_tokens, stop, stream },
      { model: 'fast', temperature: 0.2, max_tokens: 50, stop: ['END'], stream: true },
    );
    assert.deepEqual(messages, [{ role: 'system', content: 'Be of help.' }, user('How is the weather?')]);
    const { name, description, parameters } = weather;
    assert.deepEqual(tools, [{ type: 'function', function: { name, description, parameters } }]);
    const end = events.at(-1);
    assert.ok(end?.type === 'end');
    const { text, promptTokens, completionTokens, costMicroUsd, runIds } = end.result;
    assert.deepEqual(
      { text, promptTokens, completionTokens, costMicroUsd, runIds },
      { text: 'Fine, thank you.', promptTokens: 10, completionTokens: 5, costMicroUsd: 100, runIds: [asked.runId] },
    );
  });

  it('run a tool with its arguments in the path and the query, tell the model what it gave, and add up what all cost', async () => {
    const bench = startAgentBench({
      agent: withWeather,
      model: [calls([['weather', { city: 'a/../b?c', days: 2 }]]), says('It is sunny.')],
      external: sunny,
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.equal(result.end, 'stop');
    assert.equal(result.text, 'It is sunny.');
    assert.equal(result.costMicroUsd, 200);
    assert.equal(result.runIds.length, 2);
    assert.deepEqual(
      bench.externals.map(({ name, method, target }) => ({ name, method, target })),
      [{ name: 'meteo', method: 'GET', target: '/v1/a%2F..%2Fb%3Fc?days=2' }],
    );
    assert.deepEqual(bench.asked[1]?.request.messages.slice(-2), [
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'call-0',
            type: 'function',
            function: { name: 'weather', arguments: '{"city":"a/../b?c","days":2}' },
          },
        ],
      },
      { role: 'tool', tool_call_id: 'call-0', content: '{"sky":"clear"}' },
    ]);
    assert.deepEqual(
      result.tools.map(({ name, outcome }) => ({ name, outcome })),
      [{ name: 'weather', outcome: 'succeeded' }],
    );
  });

  it('send what is in neither place as a JSON body', async () => {
    const order = { ...weather, method: 'POST', parameters: { type: 'object' } } as const;
    const bench = startAgentBench({
      agent: { tools: [order] },
      model: [calls([['weather', { city: 'Berlin', days: 1, note: 'now' }]]), says('Done.')],
      external: sunny,
    });
    await resultOf(bench.agents.turn(bench.call()));
    const [call] = bench.externals;
    assert.equal(call?.target, '/v1/Berlin?days=1');
    assert.equal(call?.headers['content-type'], 'application/json');
    assert.equal(Buffer.from((await call?.body(1_000)) ?? []).toString(), '{"note":"now"}');
  });

  it('keep what a vendor seals a call with, and give an id to a call that has none', async () => {
    const made = (index: number, id: string) => ({
      index,
      id,
      type: 'function',
      extra_content: { seal: 's' },
      function: { name: 'weather', arguments: '{"city":"Berlin"}' },
    });
    const piece = JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [made(0, ''), made(1, 'same')] } }] });
    const again = JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [made(2, 'same')] } }] });
    const bench = startAgentBench({
      agent: withWeather,
      model: [gives([piece, again, chunk('', 'tool_calls')]), says('Sunny.')],
      external: sunny,
    });
    await resultOf(bench.agents.turn(bench.call()));
    const told = bench.asked[1]?.request.messages ?? [];
    const sent = told.find(({ role }) => role === 'assistant')?.['tool_calls'];
    assert.ok(Array.isArray(sent));
    assert.deepEqual(
      sent.map((call: Record<string, unknown>) => call['extra_content']),
      [{ seal: 's' }, { seal: 's' }, { seal: 's' }],
    );
    const ids = sent.map((call: Record<string, unknown>) => call['id']);
    assert.equal(new Set(ids).size, 3);
    assert.deepEqual(
      told.filter(({ role }) => role === 'tool').map((message) => message['tool_call_id']),
      ids,
    );
  });

  for (const [way, chunks] of Object.entries(STREAMED_CALLS))
    it(`keep several calls apart that come ${way}`, async () => {
      const pieces = chunks.map((made) => JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: made } }] }));
      const bench = startAgentBench({
        agent: withWeather,
        model: [gives([...pieces, chunk('', 'tool_calls')]), says('Sunny.')],
        external: sunny,
      });
      await resultOf(bench.agents.turn(bench.call()));
      const told = bench.asked[1]?.request.messages ?? [];
      const sent = told.find(({ role }) => role === 'assistant')?.['tool_calls'];
      assert.ok(Array.isArray(sent));
      assert.deepEqual(
        sent.map((made: Record<string, unknown>) => made['function']),
        CALLED,
      );
      assert.equal(new Set(sent.map((made: Record<string, unknown>) => made['id'])).size, CALLED.length);
    });

  it('keep whole what a vendor says piece by piece in an object of its own', async () => {
    const call = { index: 0, id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } };
    const deltas = [{ anthropic: { content: [1] } }, { tool_calls: [call] }, { anthropic: { content: [2, 3] } }];
    const said = [...deltas, { anthropic: { container: 'c' } }].map((delta) =>
      JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] }),
    );
    const bench = startAgentBench({
      agent: withWeather,
      model: [gives([...said, chunk('', 'tool_calls')]), says('Sunny.')],
      external: sunny,
    });
    await resultOf(bench.agents.turn(bench.call()));
    const told = bench.asked[1]?.request.messages.find(({ role }) => role === 'assistant');
    assert.deepEqual(told?.['anthropic'], { content: [1, 2, 3], container: 'c' });
  });

  it('begin the text of a step anew after a restart', async () => {
    const restart = JSON.stringify({ choices: [], revoagent: { event: 'restart' } });
    const bench = startAgentBench({ model: [gives([chunk('Wrong'), restart, chunk('Right.'), chunk('', 'stop')])] });
    const events = await eventsOf(bench.agents.turn(bench.call()));
    assert.deepEqual(events.filter(({ type }) => type === 'restart').length, 1);
    const end = events.at(-1);
    assert.equal(end?.type === 'end' ? end.result.text : null, 'Right.');
  });

  it('take the caller’s fields before the agent’s settings, and its limit of tokens under either name', async () => {
    const bench = startAgentBench({ agent: { sampling: { temperature: 1, maxTokens: 50 } }, model: [says('Hello.')] });
    for (const fields of [{ temperature: 0 }, { max_tokens: 5 }, { max_completion_tokens: 5 }])
      await resultOf(bench.agents.turn(bench.call({ fields })));
    assert.deepEqual(
      bench.asked.map(({ request }) => [
        request['temperature'],
        request['max_tokens'],
        request['max_completion_tokens'],
      ]),
      [
        [0, 50, undefined],
        [1, 5, undefined],
        [1, undefined, 5],
      ],
    );
  });

  it('force a call in the first step only', async () => {
    const bench = startAgentBench({ agent: withWeather, model: [calls([berlin]), says('Sunny.')], external: sunny });
    await resultOf(bench.agents.turn(bench.call({ fields: { tool_choice: 'required', temperature: 1 } })));
    assert.deepEqual(
      bench.asked.map(({ request }) => [request['tool_choice'], request['temperature']]),
      [
        ['required', 1],
        [undefined, 1],
      ],
    );
  });
});

describe('a limit', () => {
  it('of steps ends a model that calls the same tool for ever, and the last calls are not run', async () => {
    const bench = startAgentBench({
      agent: { ...withWeather, limits: { steps: 3, deadlineMs: 60_000, costMicroUsd: null } },
      model: [calls([berlin])],
      external: sunny,
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.equal(result.end, 'steps');
    assert.equal(bench.asked.length, 3);
    assert.equal(bench.externals.length, 2);
  });

  it('of cost ends a turn that has used it up, once what it waits for is a tool', async () => {
    const agent = { ...withWeather, limits: { steps: 8, deadlineMs: 60_000, costMicroUsd: 200 } };
    const bench = startAgentBench({ agent, model: [calls([berlin])], external: sunny });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.deepEqual({ end: result.end, costMicroUsd: result.costMicroUsd }, { end: 'cost', costMicroUsd: 200 });
    assert.equal(bench.externals.length, 1);
    const answered = startAgentBench({ agent, model: [says('Dear.', 'stop', { spent: { costMicroUsd: 500 } })] });
    assert.equal((await resultOf(answered.agents.turn(answered.call()))).end, 'stop');
  });

  it('of cost counts nothing for a step without a price, and the sum is said to be unknown', async () => {
    const bench = startAgentBench({
      agent: { ...withWeather, limits: { steps: 2, deadlineMs: 60_000, costMicroUsd: 100 } },
      model: [calls([berlin], { spent: { costMicroUsd: null } }), says('Sunny.')],
      external: sunny,
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.deepEqual({ end: result.end, costMicroUsd: result.costMicroUsd }, { end: 'stop', costMicroUsd: null });
  });

  it('of time ends a model in the middle of its words, and what it said is the answer', async () => {
    const bench = startAgentBench({ model: [hangsAfter('So far')] });
    const pending = resultOf(bench.agents.turn(bench.call()));
    await until('the model speaks', () => bench.asked.length === 1);
    await bench.clock.advance(60_000);
    const result = await pending;
    assert.deepEqual(
      { end: result.end, text: result.text, cost: result.costMicroUsd, tokens: result.promptTokens },
      { end: 'deadline', text: 'So far', cost: null, tokens: null },
    );
    assert.equal(bench.asked[0]?.signal.aborted, true);
    assert.equal(bench.clock.pending, 0);
  });

  it('of time ends tools that run', async () => {
    const bench = startAgentBench({
      agent: { ...withWeather, limits: { steps: 8, deadlineMs: 5_000, costMicroUsd: null } },
      model: [calls([berlin])],
      external: ({ signal }) => aborted(signal),
    });
    const pending = resultOf(bench.agents.turn(bench.call()));
    await until('the tool runs', () => bench.externals.length === 1);
    await bench.clock.advance(5_000);
    const { end, tools } = await pending;
    assert.equal(end, 'deadline');
    assert.deepEqual(
      tools.map(({ outcome }) => outcome),
      ['timed_out'],
    );
  });
});

describe('the observer is told of each turn once', () => {
  const told = async (model: Reply, leave = false) => {
    const left = new AbortController();
    const bench = startAgentBench({ agent: withWeather, model: [model, says('Clear.')], external: sunny });
    const pending = eventsOf(bench.agents.turn(bench.call({ signal: left.signal }))).catch((error: unknown) => error);
    if (leave) {
      await until('the model is asked', () => bench.asked.length === 1);
      left.abort(callerGone);
    }
    await pending;
    return bench.finished.map(({ end, tools, memory }) => [end, tools.map(({ outcome }) => outcome), memory]);
  };

  it('that ended, with its tools; that failed; that its caller left', async () => {
    assert.deepEqual(await told(calls([berlin])), [['stop', ['succeeded'], 'none']]);
    assert.deepEqual(await told(fails(new UpstreamError('upstream_failed', 'No.'))), [['failed', [], 'none']]);
    assert.deepEqual(await told(hangsAfter('So'), true), [['cancelled', [], 'none']]);
  });
});

describe('a turn that cannot come to an end', () => {
  it('throws what the gateway throws', async () => {
    const bench = startAgentBench({ model: [fails(new UpstreamError('upstream_failed', 'No.'))] });
    await assert.rejects(resultOf(bench.agents.turn(bench.call())), { code: 'upstream_failed' });
    assert.equal(bench.clock.pending, 0);
  });

  it('of an agent that the project does not have is not begun', async () => {
    const bench = startAgentBench({ model: [says('Hello.')] });
    const caller = { keyId: null, projectId: 'prj_other', scopes: new Set(['chat'] as const) };
    await assert.rejects(resultOf(bench.agents.turn(bench.call({ caller }))), { code: 'not_found' });
    for (const agentId of [agentRecord().id, '\0'])
      await assert.rejects(resultOf(bench.agents.turn(bench.call({ agentId }))), { code: 'not_found' });
    assert.equal(bench.asked.length, 0);
  });

  it('ends its tool when the caller leaves', async () => {
    const left = new AbortController();
    const bench = startAgentBench({
      agent: withWeather,
      model: [calls([berlin])],
      external: ({ signal }) => aborted(signal),
    });
    const pending = resultOf(bench.agents.turn(bench.call({ signal: left.signal })));
    await until('the tool runs', () => bench.externals.length === 1);
    left.abort(callerGone);
    await assert.rejects(pending, { code: 'cancelled' });
    assert.equal(bench.externals[0]?.signal.aborted, true);
    assert.equal(bench.clock.pending, 0);
  });

  it('ends at once where it is told to return while it waits for the model', async () => {
    const bench = startAgentBench({ model: [hangsAfter('')] });
    const turn = bench.agents.turn(bench.call());
    assert.deepEqual([(await turn.next()).value?.type, (await turn.next()).value?.type], ['start', 'step']);
    const waiting = turn.next();
    await until('the model is asked', () => bench.asked.length === 1);
    const returned = turn.return();
    await assert.rejects(waiting, (thrown) => thrown instanceof HubError && thrown.code === 'cancelled');
    await returned;
    assert.equal(bench.asked[0]?.signal.aborted, true);
    assert.equal(bench.clock.pending, 0);
  });

  it('is refused where the model’s answer grows beyond all bounds', async () => {
    const bench = startAgentBench({ model: [gives(Array.from({ length: 5 }, () => chunk('x'.repeat(1024 * 1024))))] });
    await assert.rejects(resultOf(bench.agents.turn(bench.call())), { code: 'upstream_malformed' });
  });
});
