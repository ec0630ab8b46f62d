/** LangChain.js through a started hub. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import { forTheSuite } from '../../helpers/suite.ts';
import { answers, refuses, streams } from '../../helpers/upstream.ts';
import { callsTools, MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

const question = 'Are you well?';
const weather = tool(() => 'sunny', {
  name: 'weather',
  description: 'The weather of a city.',
  schema: z.object({ city: z.string() }),
});

describe('LangChain.js', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let model: ChatOpenAI;
  before(async () => {
    hub = await startHubWithKey(suite);
    const { baseURL, apiKey } = hub;
    model = new ChatOpenAI({ model: MODEL, apiKey, maxRetries: 0, temperature: 0.3, configuration: { baseURL } });
  });
  const last = (): Record<string, unknown> => hub.upstream.received.at(-1)?.body ?? assert.fail('nothing arrived');

  it('invokes, with usage', async () => {
    const message = await model.invoke(question);
    assert.equal(message.content, 'All is well.');
    assert.partialDeepStrictEqual(message.usage_metadata, { total_tokens: 10 });
    assert.partialDeepStrictEqual(last(), { model: 'test-model', temperature: 0.3 });
  });

  it('streams', async () => {
    const parts = await Array.fromAsync(await model.stream(question));
    assert.equal(parts.map(({ text }) => text).join(''), 'All is well.');
  });

  it('answers a batch', async () => {
    const messages = await model.batch([question, question, question]);
    assert.deepEqual(
      messages.map(({ content }) => content),
      ['All is well.', 'All is well.', 'All is well.'],
    );
  });

  it('calls tools, plain and streamed, and sends their results back', async () => {
    hub.upstream.script(callsTools, callsTools);
    const bound = model.bindTools([weather]);
    const message = await bound.invoke(question);
    const calls = [
      { name: 'weather', args: { city: 'Vienna' }, id: 'call_0' },
      { name: 'weather', args: { city: 'Graz' }, id: 'call_1' },
    ];
    assert.partialDeepStrictEqual(message.tool_calls, calls);
    const [first, ...rest] = await Array.fromAsync(await bound.stream(question));
    const streamed = rest.reduce((sum, part) => sum.concat(part), first ?? assert.fail('an empty stream'));
    assert.partialDeepStrictEqual(streamed.tool_calls, calls);
    const results = calls.map(({ id }) => new ToolMessage({ content: 'sunny', tool_call_id: id }));
    assert.equal(
      (await bound.invoke([{ role: 'user', content: question }, message, ...results])).content,
      'All is well.',
    );
    assert.partialDeepStrictEqual(last()['messages'], [
      { role: 'user' },
      { role: 'assistant', tool_calls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { role: 'tool', tool_call_id: 'call_0' },
      { role: 'tool', tool_call_id: 'call_1' },
    ]);
  });

  it('gives structured output by schema and by JSON mode', async () => {
    const place = z.object({ city: z.string() });
    for (const method of ['jsonSchema', 'jsonMode'] as const) {
      hub.upstream.script(answers('{"city":"Vienna"}'));
      const structured = model.withStructuredOutput(place, { name: 'place', method });
      assert.deepEqual(await structured.invoke('Where? Answer in JSON.'), { city: 'Vienna' });
      const type = method === 'jsonMode' ? 'json_object' : 'json_schema';
      assert.partialDeepStrictEqual(last()['response_format'], { type });
    }
  });

  it('tells the hub’s errors, and never takes a cut stream for a whole one', async () => {
    hub.upstream.script(refuses(400, { message: 'no such setting', type: 'invalid_request_error' }));
    await assert.rejects(model.invoke(question), /no such setting/);
    hub.upstream.script(streams(['One', ' two'], { ending: 'cut' }));
    await assert.rejects(async () => Array.fromAsync(await model.stream(question)));
  });
});
