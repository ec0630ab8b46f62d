/** The official OpenAI client talks to an agent as to a model: plain, streamed, with tools inside and tools of its own. */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import OpenAI from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources';
import { callsWeather, startAgentHub, weatherTool } from '../../helpers/agent-hub.ts';
import type { AgentHub } from '../../helpers/agent-hub.ts';
import { forTheSuite } from '../../helpers/suite.ts';
import { answers, refuses, streams } from '../../helpers/upstream.ts';

const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: 'The weather?' }];
const model = 'agent:helper';

describe('the official openai client with an agent as its model', () => {
  const suite = forTheSuite();
  let hub: AgentHub;
  let client: OpenAI;
  before(async () => {
    hub = await startAgentHub(suite);
    await hub.create({ tools: [weatherTool] });
    client = new OpenAI({ baseURL: `${hub.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  beforeEach(() => {
    hub.upstream.received.length = 0;
    hub.toolCalls.length = 0;
  });

  it('finds it in the list, and by its name', async () => {
    const ids = (await Array.fromAsync(await client.models.list())).map(({ id }) => id);
    assert.ok(ids.includes(model), ids.join());
    assert.equal((await client.models.retrieve(model)).id, model);
  });

  it('gets a plain answer, the agent’s tool run inside, with the usage of all steps', async () => {
    hub.upstream.script(callsWeather('Berlin'), answers('It is clear.'));
    const completion = await client.chat.completions.create({ model, messages, temperature: 0.1 });
    assert.equal(completion.choices[0]?.message.content, 'It is clear.');
    assert.equal(completion.choices[0]?.finish_reason, 'stop');
    assert.equal(completion.choices[0]?.message.tool_calls, undefined);
    assert.deepEqual([completion.model, completion.usage?.total_tokens], [model, 20]);
    assert.deepEqual(hub.toolCalls, [{ path: '/v1/Berlin', aborted: false }]);
    const [first, second] = hub.upstream.received;
    assert.partialDeepStrictEqual(first?.body, {
      model: 'test-model',
      temperature: 0.1,
      messages: [{ role: 'system', content: 'Be of help.' }, ...messages],
    });
    const told = second?.body['messages'];
    assert.deepEqual(Array.isArray(told) ? told.at(-1) : told, {
      role: 'tool',
      tool_call_id: 'call_1',
      content: '{"sky":"clear"}',
    });
  });

  it('gets a stream with its own helper, in which no tool of the hub’s shows', async () => {
    hub.upstream.script(callsWeather('Berlin', 'I look. '), answers('It is clear.'));
    const runner = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    const completion = await runner.finalChatCompletion();
    assert.equal(completion.choices[0]?.message.content, 'I look. \n\nIt is clear.');
    assert.equal(completion.choices[0]?.finish_reason, 'stop');
    assert.equal(completion.choices[0]?.message.tool_calls, undefined);
    assert.equal(completion.usage?.total_tokens, 20);
  });

  it('executes tools of its own, and goes on with their results', async () => {
    const mine: ChatCompletionTool = {
      type: 'function',
      function: { name: 'clock', parameters: { type: 'object', properties: {} } },
    };
    const called = { index: 0, id: 'call_9', type: 'function', function: { name: 'clock', arguments: '{}' } };
    const raw = `data: ${JSON.stringify({ id: 'c', created: 1, model: 'm', choices: [{ index: 0, delta: { tool_calls: [called] }, finish_reason: 'tool_calls' }] })}\n\n`;
    hub.upstream.script(streams(['x'], { raw: { 0: raw } }), answers('It is noon.'));
    const first = await client.chat.completions.create({ model, messages, tools: [mine] });
    const message = first.choices[0]?.message;
    assert.equal(first.choices[0]?.finish_reason, 'tool_calls');
    assert.deepEqual(message?.tool_calls?.[0]?.id, 'call_9');
    assert.ok(message !== undefined);
    const results: ChatCompletionMessageParam[] = [message, { role: 'tool', tool_call_id: 'call_9', content: '12:00' }];
    const second = await client.chat.completions.create({ model, messages: [...messages, ...results], tools: [mine] });
    assert.equal(second.choices[0]?.message.content, 'It is noon.');
  });

  it('gets the hub’s errors as its own', async () => {
    hub.upstream.script(refuses(500));
    await assert.rejects(client.chat.completions.create({ model, messages }), OpenAI.InternalServerError);
    await assert.rejects(client.chat.completions.create({ model: 'agent:nobody', messages }), OpenAI.NotFoundError);
    hub.upstream.script(streams(['One', ' two'], { ending: 'cut' }));
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    await assert.rejects(Array.fromAsync(stream), OpenAI.APIError);
  });

  it('may ask for it in the hub’s own form too', async () => {
    hub.upstream.script(callsWeather('Berlin'), answers('It is clear.'));
    const { body } = await hub.ask('POST', '/api/chat', { model, prompt: 'The weather?' });
    assert.equal(body['text'], 'It is clear.');
  });
});
