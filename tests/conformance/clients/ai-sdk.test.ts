/** The Vercel AI SDK with its OpenAI-compatible provider through a started hub. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import type { LanguageModel } from 'ai';
import { forTheSuite } from '../../helpers/suite.ts';
import { answers, neverAnswers, refuses, streams, until } from '../../helpers/upstream.ts';
import { callsTools, MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

const prompt = 'Are you well?';
const city = jsonSchema<{ city: string }>({
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
});

describe('the Vercel AI SDK', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let model: LanguageModel;
  before(async () => {
    hub = await startHubWithKey(suite);
    const { baseURL, apiKey } = hub;
    model = createOpenAICompatible({ name: 'hub', baseURL, apiKey, supportsStructuredOutputs: true })(MODEL);
  });
  const last = (): Record<string, unknown> => hub.upstream.received.at(-1)?.body ?? assert.fail('nothing arrived');

  it('generates text', async () => {
    const { text, finishReason, usage } = await generateText({ model, prompt, temperature: 0.5, maxRetries: 0 });
    assert.deepEqual([text, finishReason, usage.totalTokens], ['All is well.', 'stop', 10]);
    assert.partialDeepStrictEqual(last(), { model: 'test-model', temperature: 0.5 });
  });

  it('streams text', async () => {
    const result = streamText({ model, prompt, maxRetries: 0 });
    assert.deepEqual(await Array.fromAsync(result.textStream), ['All', ' is', ' well.']);
    assert.equal(await result.finishReason, 'stop');
  });

  it('runs tools, plain and streamed, and sends their results back', async () => {
    const asked: string[] = [];
    const weather = tool({
      inputSchema: city,
      execute: ({ city: name }) => {
        asked.push(name);
        return 'sunny';
      },
    });
    hub.upstream.script(callsTools);
    const plain = await generateText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(2), maxRetries: 0 });
    assert.equal(plain.text, 'All is well.');
    hub.upstream.script(callsTools);
    const streamed = streamText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(2), maxRetries: 0 });
    assert.equal(await streamed.text, 'All is well.');
    assert.deepEqual(asked, ['Vienna', 'Graz', 'Vienna', 'Graz']);
    assert.partialDeepStrictEqual(last()['messages'], [
      { role: 'user' },
      { role: 'assistant', tool_calls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { role: 'tool', tool_call_id: 'call_0', content: 'sunny' },
      { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
    ]);
  });

  it('generates objects by a schema', async () => {
    hub.upstream.script(answers('{"city":"Vienna"}'));
    const { output } = await generateText({ model, prompt, output: Output.object({ schema: city }), maxRetries: 0 });
    assert.deepEqual(output, { city: 'Vienna' });
    assert.partialDeepStrictEqual(last()['response_format'], { type: 'json_schema' });
  });

  it('knows the hub’s errors, and which of them to repeat', async () => {
    hub.upstream.script(refuses(400, { message: 'no such setting', type: 'invalid_request_error' }));
    await assert.rejects(generateText({ model, prompt, maxRetries: 0 }), (error) => {
      return APICallError.isInstance(error) && error.statusCode === 400 && !error.isRetryable;
    });
    hub.upstream.script(refuses(500));
    await assert.rejects(generateText({ model, prompt, maxRetries: 0 }), (error) => {
      return APICallError.isInstance(error) && error.isRetryable;
    });
  });

  it('ends a cut stream with an error', async () => {
    hub.upstream.script(streams(['One', ' two'], { ending: 'cut' }));
    const errors: unknown[] = [];
    const { stream } = streamText({
      model,
      prompt,
      maxRetries: 0,
      onError: ({ error }) => void errors.push(error),
    });
    const parts = await Array.fromAsync(stream);
    assert.ok(parts.some(({ type }) => type === 'error'));
    assert.equal(errors.length, 1);
  });

  it('cancels the upstream when it aborts', async () => {
    hub.upstream.script(neverAnswers);
    const controller = new AbortController();
    const count = hub.upstream.received.length;
    const call = generateText({ model, prompt, maxRetries: 0, abortSignal: controller.signal });
    await until('the request arrives', () => hub.upstream.received.length === count + 1);
    controller.abort();
    await assert.rejects(call);
    await until('the upstream is let go', () => hub.upstream.received.at(-1)?.aborted === true);
  });
});
