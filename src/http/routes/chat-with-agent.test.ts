/** Talking to an agent over HTTP: one answer, its events, and what a caller is told when it goes wrong. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { UnavailableError, UpstreamError } from '#core/errors';
import { newId } from '#core/ids';
import { post, sseEvents } from '../../../tests/helpers/http-calls.ts';
import {
  answer,
  calls,
  fails,
  gives,
  hangsAfter,
  says,
  startAgentBench,
  user,
  weather,
} from '../../../tests/helpers/agent-bench.ts';
import type { AgentScript } from '../../../tests/helpers/agent-bench.ts';
import { chunk, startHttpHub } from '../../../tests/helpers/http-hub.ts';
import { until } from '../../../tests/helpers/upstream.ts';

async function talk(t: TestContext, script: AgentScript) {
  const bench = startAgentBench(script);
  const hub = await startHttpHub(t, { keyless: true, deps: { agents: bench.agents } });
  const path = `/api/agents/${bench.agent.id}/chat`;
  const ask = (body: unknown, headers?: Record<string, string>, signal?: AbortSignal) =>
    post(hub, path, body, headers, signal);
  return { ...bench, hub, path, ask };
}

const tool: AgentScript = {
  agent: { tools: [weather] },
  model: [calls([['weather', { city: 'Berlin' }]]), says('It is clear.')],
  external: async () => answer(200, ['clear']).given,
};

describe('a chat with an agent', () => {
  it('answers with the text, what was used of tools and memory, and the runs', async (t) => {
    const { ask, asked, conversations } = await talk(t, tool);
    const response = await ask({ prompt: 'The weather?', conversationId: 'new' });
    assert.equal(response.status, 200);
    const body = JSON.parse(await response.text());
    const { text, end, memory, runIds, promptTokens, costMicroUsd, provider } = body;
    assert.deepEqual(
      { text, end, memory, runIds, promptTokens, costMicroUsd, provider },
      {
        text: 'It is clear.',
        end: 'stop',
        memory: 'none',
        runIds: asked.map(({ runId }) => runId),
        promptTokens: 20,
        costMicroUsd: 200,
        provider: 'openai',
      },
    );
    assert.deepEqual(
      body.tools.map(({ name, outcome }: { name: string; outcome: string }) => `${name} ${outcome}`),
      ['weather succeeded'],
    );
    const { id, state, input } = conversations.last(body.conversationId);
    assert.deepEqual({ id, state, input }, { id: body.turnId, state: 'whole', input: [user('The weather?')] });
  });

  it('streams its events, the last of them with what the plain answer says', async (t) => {
    const { ask } = await talk(t, tool);
    const response = await ask({ messages: [user('The weather?')], stream: true });
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    const events = sseEvents(await response.text());
    assert.equal(events.at(-1)?.data, '[DONE]');
    const told = events.slice(0, -1).map(({ data }) => JSON.parse(data));
    assert.deepEqual(
      told.map(({ type }) => type),
      ['start', 'step', 'tool', 'step', 'delta', 'delta', 'delta', 'end'],
    );
    assert.equal(told.at(-1).result.text, 'It is clear.');
  });

  it('hands on the caller’s tools and wishes', async (t) => {
    const { ask, asked } = await talk(t, { model: [calls([['mine', {}]])] });
    const mine = { type: 'function', function: { name: 'mine', parameters: { type: 'object' } } };
    const body = JSON.parse(
      await (await ask({ prompt: 'Go.', tools: [mine] }, { 'x-revoagent-timeout-ms': '900' })).text(),
    );
    assert.deepEqual([body.end, body.toolCalls[0].function.name], ['tool_calls', 'mine']);
    assert.deepEqual(asked[0]?.request['tools'], [mine]);
    assert.deepEqual(asked[0]?.preferences, { timeouts: { totalMs: 900 } });
  });

  it('fails with a status, and with the run, while nothing is shown', async (t) => {
    for (const stream of [false, true]) {
      const { ask, asked } = await talk(t, { model: [fails(new UpstreamError('upstream_failed', 'No.'))] });
      const response = await ask({ prompt: 'Hello?', stream });
      assert.equal(response.status, 502);
      const problem = JSON.parse(await response.text());
      assert.deepEqual([problem.code, problem.runId], ['upstream_failed', asked[0]?.runId]);
    }
  });

  it('fails with an error event, and without an end, once something is shown', async (t) => {
    const cut = async (): Promise<never> => {
      throw new UpstreamError('upstream_cut', 'Cut.');
    };
    const { ask, conversations } = await talk(t, {
      model: [
        async (call) => {
          const stream = await gives([chunk('So')])(call);
          return { ...stream, events: before(stream.events, cut) };
        },
      ],
    });
    const response = await ask({ prompt: 'Hello?', stream: true, conversationId: 'new' });
    assert.equal(response.status, 200);
    const events = sseEvents(await response.text());
    assert.deepEqual(
      events.map(({ event, data }) => event ?? JSON.parse(data).type),
      ['start', 'step', 'delta', 'error'],
    );
    assert.equal(JSON.parse(events.at(-1)?.data ?? '').error.code, 'upstream_cut');
    const { conversationId } = JSON.parse(events[0]?.data ?? '');
    assert.equal(conversations.last(conversationId).state, 'broken');
  });

  it('ends the turn when the caller leaves', async (t) => {
    const { ask, asked, hub } = await talk(t, { model: [hangsAfter('So')] });
    const left = new AbortController();
    const reported = hub.nextFinished();
    const response = await ask({ prompt: 'Hello?', stream: true }, {}, left.signal);
    assert.equal(response.status, 200);
    left.abort();
    assert.equal((await reported).errorCode, 'cancelled');
    await until('the model is told', () => asked[0]?.signal.aborted === true);
  });

  it('answers 503 while the database is away, 404 for what is not there, 400 for what it does not understand', async (t) => {
    const { ask, conversations, hub, asked } = await talk(t, { model: [says('Hello.')] });
    const statusOf = async (body: unknown) => {
      const response = await ask(body);
      return [response.status, JSON.parse(await response.text()).code];
    };
    const foreign = conversations.create(newId('agt', 1_767_225_600_000));
    assert.deepEqual(await statusOf({ prompt: 'x', conversationId: foreign }), [404, 'not_found']);
    assert.equal((await post(hub, `/api/agents/${newId('agt', 1)}/chat`, { prompt: 'x' })).status, 404);
    for (const body of [
      {},
      { prompt: 'x', messages: [user('y')] },
      { prompt: 'x', conversationId: 'mine' },
      { prompt: '' },
    ])
      assert.deepEqual(await statusOf(body), [400, 'invalid_body']);
    assert.deepEqual(await statusOf({ prompt: 'x', model: 'y' }), [400, 'unsupported_field']);
    conversations.away = new UnavailableError('database_unavailable', 'Away.');
    assert.deepEqual(await statusOf({ prompt: 'x', conversationId: 'new' }), [503, 'database_unavailable']);
    assert.equal(asked.length, 0);
  });
});

async function* before(events: AsyncIterable<string>, end: () => Promise<never>): AsyncGenerator<string, undefined> {
  yield* events;
  return end();
}
