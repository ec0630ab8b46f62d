/** The official OpenAI client, through a whole hub, at an upstream that speaks Gemini's own API: what nobody should notice. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import OpenAI from 'openai';
import { answer, geminiAnswers, geminiStreams, startGeminiUpstream } from '../helpers/gemini-upstream.ts';
import { startHubProcess } from '../helpers/hub-process.ts';
import { answersBody, event } from '../helpers/upstream.ts';

const KEY = 'AIza-secret-of-the-test';

it('OpenAI’s client talks, streams, calls tools and embeds with Gemini, and is told by name what Gemini cannot be told', async (t) => {
  const upstream = await startGeminiUpstream(t);
  upstream.otherwise = geminiAnswers();
  const providers = { gemini: { kind: 'gemini', baseUrl: upstream.baseUrl, apiKey: KEY } };
  const hub = await startHubProcess(t, { config: { providers } });
  const client = new OpenAI({ baseURL: `${hub.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const model = 'gemini/gemini-3-flash-preview';
  const asked = { model, messages: [{ role: 'user' as const, content: 'What is the weather?' }] };

  const plain = await client.chat.completions.create(asked);
  assert.equal(plain.choices[0]?.message.content, 'All is well.');
  assert.equal(plain.usage?.total_tokens, 10);
  let text = '';
  for await (const { choices } of await client.chat.completions.create({ ...asked, stream: true }))
    text += choices[0]?.delta.content ?? '';
  assert.equal(text, 'All is well.');

  // A round of tools as a stream gives it, its signature brought back by a client that keeps what it was given.
  const call = { functionCall: { name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: 'c2VhbA==' };
  upstream.script(geminiStreams([''], { raw: { 0: event(answer([call], 'STOP')) } }));
  const parameters = { type: 'object', properties: { city: { type: 'string' } } };
  const tools = [{ type: 'function' as const, function: { name: 'weather', parameters } }];
  const runner = client.chat.completions.stream({ ...asked, tools });
  const { message, finish_reason: finish } =
    (await runner.finalChatCompletion()).choices[0] ?? assert.fail('no choice');
  assert.equal(finish, 'tool_calls');
  const [made] = message.tool_calls ?? [];
  assert.ok(made?.type === 'function' && made.function.arguments === '{"city":"Oslo"}');
  const result = { role: 'tool' as const, tool_call_id: made.id, content: 'Rain.' };
  await client.chat.completions.create({ ...asked, tools, messages: [...asked.messages, message, result] });
  const { contents } = upstream.received.at(-1)?.body ?? assert.fail('nothing was received');
  const [, calling, answering] = contents as { parts: Record<string, unknown>[] }[];
  assert.equal(calling?.parts[0]?.['thoughtSignature'], 'c2VhbA==');
  assert.deepEqual(answering?.parts[0]?.['functionResponse'], {
    id: made.id,
    name: 'weather',
    response: { output: 'Rain.' },
  });

  upstream.script(answersBody({ embeddings: [{ values: [0.25, 0.5] }] }));
  const { data } = await client.embeddings.create({ model: 'gemini/gemini-embedding-001', input: 'one' });
  assert.deepEqual(data[0]?.embedding, [0.25, 0.5]);

  const received = upstream.received.length;
  await assert.rejects(
    client.chat.completions.create({ ...asked, logit_bias: { 1: 1 } }),
    (error) =>
      error instanceof OpenAI.BadRequestError &&
      error.param === 'logit_bias' &&
      error.code === 'unsupported_parameter' &&
      /cannot be told logit_bias/.test(error.message),
  );
  assert.equal(upstream.received.length, received, 'nothing was sent');
  assert.ok(!hub.output().includes(KEY), 'the key is in the log');
});
