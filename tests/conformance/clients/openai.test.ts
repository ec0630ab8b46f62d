/** The official OpenAI client through a started hub: what it asks for arrives upstream, what comes back has its own types. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import type { ChatCompletionTool } from 'openai/resources';
import { z } from 'zod';
import { forTheSuite } from '../../helpers/suite.ts';
import { answers, event, neverAnswers, refuses, streams, until } from '../../helpers/upstream.ts';
import type { Behaviour } from '../../helpers/upstream.ts';
import { answer, callsTools, MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

const messages = [{ role: 'user', content: 'Are you well?' }] as const;
const tools: ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather of a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      strict: true,
    },
  },
];
const toolCalls = [
  { id: 'call_0', type: 'function', function: { name: 'weather', arguments: '{"city":"Vienna"}' } },
  { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Graz"}' } },
];

describe('the official openai client', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let client: OpenAI;
  before(async () => {
    hub = await startHubWithKey(suite);
    client = new OpenAI({ baseURL: hub.baseURL, apiKey: hub.apiKey, maxRetries: 0 });
  });
  const last = (): Record<string, unknown> => hub.upstream.received.at(-1)?.body ?? assert.fail('nothing arrived');

  it('gets a plain answer, and its settings arrive', async () => {
    const settings = { temperature: 0.2, top_p: 0.9, seed: 7, stop: ['END'], max_completion_tokens: 50, user: 'u-1' };
    const completion = await client.chat.completions.create({ model: MODEL, messages: [...messages], ...settings });
    assert.equal(completion.choices[0]?.message.content, 'All is well.');
    assert.equal(completion.choices[0]?.finish_reason, 'stop');
    assert.equal(completion.usage?.total_tokens, 10);
    assert.match(completion._request_id ?? '', /^req_/);
    assert.partialDeepStrictEqual(last(), { model: 'test-model', messages: [...messages], ...settings });
    assert.equal(hub.upstream.received.at(-1)?.headers.authorization, 'Bearer sk-of-the-hub');
  });

  it('gets a stream, with usage where it asks for it', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: [...messages],
      stream: true,
      stream_options: { include_usage: true },
    });
    const parts = await Array.fromAsync(stream);
    assert.equal(parts.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), 'All is well.');
    assert.equal(parts.at(-1)?.usage?.total_tokens, 10);
    const without = await client.chat.completions.create({ model: MODEL, messages: [...messages], stream: true });
    for await (const { choices } of without) assert.equal(choices.length, 1, 'no usage event that was not asked for');
  });

  it('gathers a stream with its own helper', async () => {
    const runner = client.chat.completions.stream({ model: MODEL, messages: [...messages] });
    const completion = await runner.finalChatCompletion();
    assert.equal(completion.choices[0]?.message.content, 'All is well.');
    assert.equal(completion.choices[0]?.finish_reason, 'stop');
  });

  it('gets parallel tool calls, plain and from fragments of a stream, and sends their results back', async () => {
    hub.upstream.script(callsTools, callsTools);
    const plain = await client.chat.completions.create({ model: MODEL, messages: [...messages], tools });
    assert.deepEqual(plain.choices[0]?.message.tool_calls, toolCalls);
    assert.deepEqual(last()['tools'], tools);
    const runner = client.chat.completions.stream({
      model: MODEL,
      messages: [...messages],
      tools,
      tool_choice: 'auto',
    });
    const streamed = await runner.finalChatCompletion();
    assert.partialDeepStrictEqual(streamed.choices[0]?.message.tool_calls, toolCalls);
    assert.equal(streamed.choices[0]?.finish_reason, 'tool_calls');
    const assistant = plain.choices[0]?.message ?? assert.fail('no message');
    const results = toolCalls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'sunny' }));
    const followUp = await client.chat.completions.create({
      model: MODEL,
      messages: [...messages, assistant, ...results],
      tools,
    });
    assert.equal(followUp.choices[0]?.message.content, 'All is well.');
    assert.partialDeepStrictEqual(last()['messages'], [
      ...messages,
      { role: 'assistant', tool_calls: toolCalls },
      ...results,
    ]);
  });

  it('gets JSON, by mode and by schema, parsed by its own helper', async () => {
    hub.upstream.script(answers('{"city":"Vienna"}'), answers('{"city":"Vienna"}'));
    const mode = { type: 'json_object' } as const;
    const json = await client.chat.completions.create({ model: MODEL, messages: [...messages], response_format: mode });
    assert.deepEqual(JSON.parse(json.choices[0]?.message.content ?? ''), { city: 'Vienna' });
    assert.deepEqual(last()['response_format'], mode);
    const format = zodResponseFormat(z.object({ city: z.string() }), 'place');
    const parsed = await client.chat.completions.parse({
      model: MODEL,
      messages: [...messages],
      response_format: format,
    });
    assert.deepEqual(parsed.choices[0]?.message.parsed, { city: 'Vienna' });
    assert.partialDeepStrictEqual(last()['response_format'], { type: 'json_schema', json_schema: { name: 'place' } });
  });

  it('sends pictures, developer messages and several choices', async () => {
    hub.upstream.script((exchange) => {
      const message = { role: 'assistant', content: 'A cat.', refusal: null };
      answer(exchange, { message, finish_reason: 'stop' });
    });
    const content = [
      { type: 'text' as const, text: 'What is this?' },
      { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' as const } },
    ];
    const completion = await client.chat.completions.create({
      model: MODEL,
      n: 1,
      logprobs: true,
      top_logprobs: 2,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content },
      ],
    });
    assert.equal(completion.choices[0]?.message.content, 'A cat.');
    assert.partialDeepStrictEqual(last(), {
      n: 1,
      logprobs: true,
      top_logprobs: 2,
      messages: [{ role: 'developer' }, { role: 'user', content }],
    });
  });

  it('lists and finds models', async () => {
    const ids = (await Array.fromAsync(client.models.list())).map(({ id }) => id);
    assert.deepEqual(ids, [MODEL]);
    const model = await client.models.retrieve(MODEL);
    assert.deepEqual([model.id, model.object], [MODEL, 'model']);
    await assert.rejects(client.models.retrieve('test/none'), OpenAI.NotFoundError);
  });

  it('throws its own class for each kind of error, with a code, a type and a request id', async () => {
    const ask = (model = MODEL): Promise<unknown> => client.chat.completions.create({ model, messages: [...messages] });
    const thrown = async (call: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
      const error = await call.then(
        () => assert.fail('nothing was thrown'),
        (caught: unknown) => caught,
      );
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.match(error.requestID ?? '', /^req_/);
      assert.ok(error.code !== null && error.code !== undefined && error.type !== undefined, String(error));
      assert.doesNotMatch(error.message, /sk-of-the-hub/);
      return error;
    };
    hub.upstream.script(
      refuses(404, { message: 'no such model', type: 'invalid_request_error', code: 'model_not_found' }),
    );
    assert.ok((await thrown(ask('test/none'))) instanceof OpenAI.NotFoundError);
    const stranger = client.withOptions({ apiKey: 'rvk_unknown_0000000000000000000000000000' });
    const unauthenticated = stranger.chat.completions.create({ model: MODEL, messages: [...messages] });
    assert.ok((await thrown(unauthenticated)) instanceof OpenAI.AuthenticationError);
    hub.upstream.script(
      refuses(400, { message: 'temperature is at most 2', type: 'invalid_request_error', code: 'bad' }),
    );
    const bad = await thrown(ask());
    assert.ok(bad instanceof OpenAI.BadRequestError);
    assert.match(bad.message, /temperature is at most 2/);
    hub.upstream.script(refuses(500));
    const failed = await thrown(ask());
    assert.ok(failed instanceof OpenAI.InternalServerError);
    assert.ok(failed.status === 502 || failed.status === 503);
    hub.upstream.script(refuses(429, { message: 'slow down', type: 'rate_limit_error' }, { 'retry-after': '1' }));
    const limited = await thrown(ask());
    assert.ok(limited instanceof OpenAI.RateLimitError);
    assert.ok(Number(limited.headers?.get('retry-after')) >= 1);
  });

  it('gets several choices, plain and as a stream that keeps them apart', async () => {
    const several: Behaviour = (exchange) => {
      const { received, response } = exchange;
      if (received.body['stream'] !== true) {
        const choices = ['Yes.', 'No.'].map((content, index) => ({
          index,
          logprobs: null,
          message: { role: 'assistant', content },
          finish_reason: 'stop',
        }));
        answer(exchange, {}, { choices });
        return;
      }
      const part = (index: number, content: string, finish_reason: string | null = null): string =>
        event({
          id: 'c',
          object: 'chat.completion.chunk',
          created: 1,
          model: 'm',
          choices: [{ index, delta: { role: 'assistant', content }, finish_reason }],
        });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // Interleaved, as providers send them.
      const parts = [
        part(0, 'Y'),
        part(1, 'N'),
        part(0, 'es.'),
        part(1, 'o.'),
        part(1, '', 'stop'),
        part(0, '', 'length'),
      ];
      response.end(`${parts.join('')}data: [DONE]\n\n`);
    };
    hub.upstream.script(several, several);
    const plain = await client.chat.completions.create({ model: 'test/several-model', n: 2, messages: [...messages] });
    assert.equal(last()['n'], 2);
    assert.deepEqual(
      plain.choices.map(({ index, message }) => [index, message.content]),
      [
        [0, 'Yes.'],
        [1, 'No.'],
      ],
    );
    const runner = client.chat.completions.stream({ model: 'test/several-model', n: 2, messages: [...messages] });
    const { choices } = await runner.finalChatCompletion();
    assert.equal(last()['n'], 2);
    assert.deepEqual(
      choices.map(({ message, finish_reason }) => [message.content, finish_reason]),
      [
        ['Yes.', 'length'],
        ['No.', 'stop'],
      ],
    );
  });

  for (const hidden of ['retry-after-ms', 'retry-after']) {
    it(`tries again by itself, and no sooner than it is told, where it is not told by ${hidden}`, async () => {
      // Left to itself it would come back within half a second, and meet a provider that the hub still rests: a second 429.
      const statuses: number[] = [];
      const retrying = client.withOptions({
        maxRetries: 1,
        fetch: async (url, init) => {
          const { status, headers, body } = await fetch(url, init);
          statuses.push(status);
          const seen = new Headers(headers);
          seen.delete(hidden);
          return new Response(body, { status, headers: seen });
        },
      });
      const earlier = hub.upstream.received.length;
      hub.upstream.script(refuses(429, { message: 'slow down', type: 'rate_limit_error' }, { 'retry-after': '1' }));
      const completion = await retrying.chat.completions.create({
        model: `test/limited-without-${hidden}`,
        messages: [...messages],
      });
      assert.equal(completion.choices[0]?.message.content, 'All is well.');
      assert.deepEqual(statuses, [429, 200]);
      assert.equal(hub.upstream.received.length, earlier + 2, 'one refused, one answered');
    });
  }

  for (const [what, headers, waitS, status] of [
    ['nothing else would come of it', { 'cache-control': 'only-if-cached' }, 0, 504],
    ['it would have to wait for longer than it waits', {}, 120, 429],
  ] as const)
    it(`tries again not once where ${what}`, async () => {
      let count = 0;
      const counting = client.withOptions({
        maxRetries: 2,
        fetch: (url, init) => {
          count++;
          return fetch(url, init);
        },
      });
      if (waitS > 0) hub.upstream.script(refuses(429, { message: 'slow down' }, { 'retry-after': String(waitS) }));
      const asked = { model: `test/not-again-${waitS}`, messages: [...messages] };
      const failed = await counting.chat.completions.create(asked, { headers }).catch((error: unknown) => error);
      assert.ok(failed instanceof OpenAI.APIError);
      assert.equal(failed.status, status);
      assert.equal(count, 1);
    });

  it('throws its own class when it has waited long enough, and the upstream is let go', async () => {
    hub.upstream.script(neverAnswers);
    const count = hub.upstream.received.length;
    const call = client.chat.completions.create(
      { model: 'test/slow-model', messages: [...messages] },
      { timeout: 1_000 },
    );
    await assert.rejects(call, OpenAI.APIConnectionTimeoutError);
    assert.equal(hub.upstream.received.length, count + 1, 'the request had arrived');
    await until('the upstream is let go', () => hub.upstream.received.at(-1)?.aborted === true);
  });

  it('cancels the upstream when it aborts', async () => {
    hub.upstream.script(neverAnswers);
    const controller = new AbortController();
    const call = client.chat.completions.create(
      { model: 'test/other-model', messages: [...messages] },
      { signal: controller.signal },
    );
    const count = hub.upstream.received.length;
    await until('the request arrives', () => hub.upstream.received.length === count + 1);
    controller.abort();
    await assert.rejects(call, OpenAI.APIUserAbortError);
    await until('the upstream is let go', () => hub.upstream.received.at(-1)?.aborted === true);
  });

  it('never takes a cut stream for a whole one', async () => {
    hub.upstream.script(streams(['One', ' two'], { ending: 'cut' }));
    const stream = await client.chat.completions.create({
      model: 'test/cut-model',
      messages: [...messages],
      stream: true,
    });
    let text = '';
    await assert.rejects(async () => {
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    }, OpenAI.APIError);
    assert.equal(text, 'One two');
  });
});
