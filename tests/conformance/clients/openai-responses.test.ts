/** The official OpenAI client’s Responses API through a started hub, over an upstream that knows chat completions alone. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import type {
  FunctionTool,
  ResponseCreateParamsNonStreaming,
  ResponseFunctionToolCall,
  ResponseInputItem,
  ResponseOutputItem,
} from 'openai/resources/responses/responses';
import { z } from 'zod';
import { forTheSuite } from '../../helpers/suite.ts';
import { answers, chunk, neverAnswers, refuses, streams, until } from '../../helpers/upstream.ts';
import type { Behaviour } from '../../helpers/upstream.ts';
import { answer, callsTools, MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

const input = 'Are you well?';
const question = { role: 'user', content: input } as const;
const asked = { model: MODEL, input };
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather: FunctionTool = {
  type: 'function',
  name: 'weather',
  description: 'The weather.',
  parameters,
  strict: true,
};

describe('the official openai client with responses', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let client: OpenAI;
  before(async () => {
    hub = await startHubWithKey(suite);
    client = new OpenAI({ baseURL: hub.baseURL, apiKey: hub.apiKey, maxRetries: 0 });
  });
  const last = (): Record<string, unknown> => hub.upstream.received.at(-1)?.body ?? assert.fail('nothing arrived');

  it('gets a plain answer, and its settings arrive', async () => {
    const settings = { temperature: 0.2, top_p: 0.9, user: 'u-1', service_tier: 'flex' } as const;
    const { data: response, response: raw } = await client.responses
      .create({
        ...asked,
        ...settings,
        instructions: 'Be brief.',
        max_output_tokens: 50,
        store: true,
        metadata: { a: 'b' },
        reasoning: { effort: 'low' },
      })
      .withResponse();
    assert.equal(response.output_text, 'All is well.');
    assert.deepEqual([response.object, response.status, response.error], ['response', 'completed', null]);
    assert.deepEqual([response.usage?.input_tokens, response.usage?.total_tokens], [7, 10]);
    assert.match(response.id, /^resp_/);
    assert.match(raw.headers.get('x-request-id') ?? '', /^req_/);
    assert.match(raw.headers.get('x-revoagent-run') ?? '', /^run_/);
    assert.equal(raw.headers.get('x-revoagent-provider'), 'test');
    assert.partialDeepStrictEqual(response, { instructions: 'Be brief.', metadata: { a: 'b' }, temperature: 0.2 });
    assert.deepEqual(last(), {
      ...settings,
      stream: false,
      model: 'test-model',
      messages: [{ role: 'system', content: 'Be brief.' }, question],
      max_completion_tokens: 50,
      reasoning_effort: 'low',
    });
    assert.equal(hub.upstream.received.at(-1)?.headers.authorization, 'Bearer sk-of-the-hub');
  });

  it('gets a stream event by event, in order and numbered, with what was used at its end', async () => {
    const events = await Array.fromAsync(await client.responses.create({ ...asked, stream: true }));
    assert.deepEqual(
      events.map(({ sequence_number: number }) => number),
      [...events.keys()],
    );
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])),
      ['All', ' is', ' well.'],
    );
    assert.equal(events[0]?.type, 'response.created');
    const end = events.at(-1);
    assert.ok(end?.type === 'response.completed');
    assert.deepEqual([end.response.status, end.response.usage?.output_tokens], ['completed', 3]);
  });

  it('gathers a stream with its own helper', async () => {
    const response = await client.responses.stream(asked).finalResponse();
    assert.deepEqual([response.output_text, response.status], ['All is well.', 'completed']);
  });

  for (const streamed of [false, true])
    it(`calls tools in parallel and gives their results, ${streamed ? 'streamed' : 'plain'}`, async () => {
      hub.upstream.script(callsTools);
      const request = { ...asked, tools: [weather], tool_choice: 'required' as const };
      const response = streamed
        ? await client.responses.stream(request).finalResponse()
        : await client.responses.create(request);
      const output: readonly ResponseOutputItem[] = response.output;
      const calls = output.filter(isCall);
      assert.deepEqual(
        calls.map(({ call_id: id, name, arguments: text, status }) => [id, name, text, status]),
        [
          ['call_0', 'weather', '{"city":"Vienna"}', 'completed'],
          ['call_1', 'weather', '{"city":"Graz"}', 'completed'],
        ],
      );
      assert.deepEqual(last()['tools'], [
        { type: 'function', function: { name: 'weather', description: 'The weather.', parameters, strict: true } },
      ]);
      assert.equal(last()['tool_choice'], 'required');
      const results = calls.map(({ call_id }) => ({ type: 'function_call_output' as const, call_id, output: 'sunny' }));
      // As frameworks do: all that came goes back.
      const conversation: ResponseInputItem[] = [question, ...calls, ...results];
      const after = await client.responses.create({ ...asked, tools: [weather], input: conversation, store: false });
      assert.equal(after.output_text, 'All is well.');
      assert.partialDeepStrictEqual(last()['messages'], [
        question,
        { role: 'assistant', content: null, tool_calls: [{ id: 'call_0' }, { id: 'call_1' }] },
        { role: 'tool', tool_call_id: 'call_0', content: 'sunny' },
        { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
      ]);
    });

  it('gets JSON by a schema, parsed by its own helper, plain and streamed', async () => {
    const text = { format: zodTextFormat(z.object({ city: z.string() }), 'place') };
    hub.upstream.script(answers('{"city":"Vienna"}'), answers('{"city":"Vienna"}'));
    const parsed = await client.responses.parse({ ...asked, text });
    assert.deepEqual(parsed.output_parsed, { city: 'Vienna' });
    assert.partialDeepStrictEqual(last()['response_format'], {
      type: 'json_schema',
      json_schema: { name: 'place', strict: true, schema: { type: 'object' } },
    });
    const streamed = await client.responses.stream({ ...asked, text }).finalResponse();
    assert.deepEqual(streamed.output_parsed, { city: 'Vienna' });
  });

  it('is told that an answer was bounded, or refused by the model', async () => {
    hub.upstream.script(
      (exchange) => answer(exchange, { message: { role: 'assistant', content: 'All' }, finish_reason: 'length' }),
      (exchange) =>
        answer(exchange, { message: { role: 'assistant', content: null, refusal: 'No.' }, finish_reason: 'stop' }),
    );
    const bounded = await client.responses.create(asked);
    assert.deepEqual([bounded.status, bounded.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
    const { output } = await client.responses.create(asked);
    assert.partialDeepStrictEqual(output, [{ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }]);
  });

  it('sees what a model shows of its thinking, plain and streamed, and may send it back', async () => {
    const thinks = (streamed: boolean): Behaviour =>
      streamed
        ? (exchange) => {
            exchange.response.writeHead(200, { 'content-type': 'text/event-stream' });
            exchange.response.write(chunk(exchange, { role: 'assistant', reasoning_content: 'Let me ' }));
            exchange.response.write(chunk(exchange, { reasoning_content: 'see.' }));
            exchange.response.write(chunk(exchange, { content: 'All is well.' }, 'stop'));
            exchange.response.end('data: [DONE]\n\n');
          }
        : (exchange) => {
            const message = { role: 'assistant', content: 'All is well.', reasoning_content: 'Let me see.' };
            answer(exchange, { message, finish_reason: 'stop' });
          };
    for (const streamed of [false, true]) {
      hub.upstream.script(thinks(streamed));
      const response = streamed
        ? await client.responses.stream(asked).finalResponse()
        : await client.responses.create(asked);
      const output: readonly ResponseOutputItem[] = response.output;
      const [thought = assert.fail('there is no item'), said = assert.fail('there is one item')] = output;
      assert.ok(thought.type === 'reasoning' && said.type === 'message');
      assert.deepEqual(thought.summary, [{ type: 'summary_text', text: 'Let me see.' }]);
      assert.equal(response.output_text, 'All is well.');
      await client.responses.create({ model: MODEL, input: [question, thought, said, question] });
      assert.deepEqual(last()['messages'], [question, { role: 'assistant', content: 'All is well.' }, question]);
    }
  });

  it('shows a picture', async () => {
    const image_url = 'data:image/png;base64,iVBORw0KGgo=';
    const content = [
      { type: 'input_text', text: 'What is it?' },
      { type: 'input_image', image_url, detail: 'low' },
    ] as const;
    await client.responses.create({ model: MODEL, input: [{ role: 'user', content: [...content] }] });
    assert.deepEqual(last()['messages'], [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is it?' },
          { type: 'image_url', image_url: { url: image_url, detail: 'low' } },
        ],
      },
    ]);
  });

  it('is told by name what the hub does not keep, and what no other provider could be asked', async () => {
    const asking = hub.upstream.received.length;
    const content = [{ type: 'input_image', file_id: 'file-1', detail: 'auto' }] as const;
    const refused: readonly (readonly [param: string, fields: Partial<ResponseCreateParamsNonStreaming>])[] = [
      ['previous_response_id', { previous_response_id: 'resp_1' }],
      ['background', { background: true }],
      ['tools[0].type', { tools: [{ type: 'web_search' }] }],
      ['input[0].content[0].file_id', { input: [{ role: 'user', content: [...content] }] }],
    ];
    for (const [param, fields] of refused)
      for (const stream of [false, true])
        await assert.rejects(client.responses.create({ ...asked, ...fields, stream }), (error) => {
          assert.ok(error instanceof OpenAI.BadRequestError);
          assert.deepEqual([error.param, error.type], [param, 'invalid_request_error']);
          assert.ok(error.message.includes(param), error.message);
          return true;
        });
    assert.equal(hub.upstream.received.length, asking, 'nobody was asked');
  });

  it('is told that no response is kept, whatever it would do with one', async () => {
    const { responses } = client;
    for (const asking of [
      () => responses.retrieve('resp_1'),
      () => responses.delete('resp_1'),
      () => responses.cancel('resp_1'),
      () => responses.inputItems.list('resp_1'),
    ])
      await assert.rejects(asking, (error) => {
        assert.ok(error instanceof OpenAI.NotFoundError);
        assert.match(error.message, /the hub keeps no responses/);
        return true;
      });
  });

  it('is never given a cut stream as a whole answer', async () => {
    const cut = streams(['All ', 'is '], { ending: 'cut' });
    hub.upstream.script(cut, cut);
    await assert.rejects(client.responses.stream(asked).finalResponse(), OpenAI.APIError);
    const types: string[] = [];
    await assert.rejects(async () => {
      for await (const { type } of await client.responses.create({ ...asked, stream: true })) types.push(type);
    }, OpenAI.APIError);
    assert.equal(types.at(-1), 'response.failed');
    assert.ok(!types.includes('response.completed'));
  });

  it('leaves, and the upstream is left too', async () => {
    hub.upstream.script(neverAnswers);
    const seen = hub.upstream.received.length;
    const leaving = new AbortController();
    const asking = client.responses.create(asked, { signal: leaving.signal });
    await until('the upstream is asked', () => hub.upstream.received.length > seen);
    leaving.abort();
    await assert.rejects(asking, OpenAI.APIUserAbortError);
    await until('the upstream was left', () => hub.upstream.received.at(-1)?.aborted === true);
  });

  it('raises its own classes of errors', async () => {
    const keyless = new OpenAI({ baseURL: hub.baseURL, apiKey: 'wrong', maxRetries: 0 });
    await assert.rejects(keyless.responses.create(asked), OpenAI.AuthenticationError);
    await assert.rejects(client.responses.create({ ...asked, max_output_tokens: 0 }), OpenAI.BadRequestError);
    hub.upstream.script(refuses(500));
    await assert.rejects(client.responses.create(asked), OpenAI.InternalServerError);
    // Last of all: the deployment is left alone for as long as it said.
    hub.upstream.script(refuses(429, { message: 'slow down', type: 'rate_limit' }, { 'retry-after': '7' }));
    await assert.rejects(client.responses.create(asked), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      assert.equal(error.headers.get('retry-after'), '7');
      return true;
    });
  });
});

function isCall(item: ResponseOutputItem): item is ResponseFunctionToolCall {
  return item.type === 'function_call';
}
