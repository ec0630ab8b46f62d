/** The official Anthropic client through a started hub, over an upstream of another form: what it asks for arrives, what comes back is its own. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { forTheSuite } from '../../helpers/suite.ts';
import { neverAnswers, refuses, streams, until } from '../../helpers/upstream.ts';
import { callsTools, MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

const question = { role: 'user', content: 'Are you well?' } as const;
const asked = { model: MODEL, max_tokens: 50, messages: [question] };
const tools: Anthropic.Tool[] = [
  {
    name: 'weather',
    description: 'The weather of a city.',
    input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
];

describe('the official Anthropic client', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let client: Anthropic;
  before(async () => {
    hub = await startHubWithKey(suite);
    const baseURL = hub.baseURL.replace(/\/v1$/, '');
    client = new Anthropic({ baseURL, apiKey: hub.apiKey, maxRetries: 0 });
  });
  const last = (): Record<string, unknown> => hub.upstream.received.at(-1)?.body ?? assert.fail('nothing arrived');

  it('gets a plain answer, and its settings arrive', async () => {
    const message = await client.messages.create({
      ...asked,
      system: 'Be brief.',
      stop_sequences: ['END'],
      metadata: { user_id: 'u-1' },
    });
    assert.deepEqual(message.content, [{ type: 'text', text: 'All is well.' }]);
    assert.deepEqual([message.type, message.role, message.stop_reason], ['message', 'assistant', 'end_turn']);
    assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [7, 3]);
    assert.match(message._request_id ?? '', /^req_/);
    assert.partialDeepStrictEqual(last(), {
      model: 'test-model',
      messages: [{ role: 'system', content: 'Be brief.' }, question],
      max_completion_tokens: 50,
      stop: ['END'],
      user: 'u-1',
    });
    assert.equal(hub.upstream.received.at(-1)?.headers.authorization, 'Bearer sk-of-the-hub');
  });

  it('lists models and gets one, in its own form, and its own error for one that is not there', async () => {
    const ids: string[] = [];
    for await (const { type, id, display_name, created_at } of client.models.list({ limit: 5 })) {
      assert.deepEqual([type, display_name], ['model', id]);
      assert.ok(Number.isFinite(Date.parse(created_at)));
      ids.push(id);
    }
    assert.ok(ids.includes('test-model') || ids.some((id) => id.endsWith('/test-model')), ids.join(' '));
    const page = await client.models.list();
    assert.deepEqual([page.has_more, page.first_id, page.last_id], [false, ids[0], ids.at(-1)]);
    const [first = assert.fail('there is none')] = ids;
    const { type, id } = await client.models.retrieve(first);
    assert.deepEqual([type, id], ['model', first]);
    await assert.rejects(client.models.retrieve('none-such'), (error) => {
      assert.ok(error instanceof Anthropic.NotFoundError);
      assert.match(JSON.stringify(error.error), /"type":"not_found_error"/);
      return true;
    });
  });

  it('counts tokens by the hub’s own estimate, of all that is told and of nothing else', async () => {
    const { model, messages } = asked;
    const askedBefore = hub.upstream.received.length;
    const { data, response } = await client.messages.countTokens({ model, messages }).withResponse();
    assert.equal(response.headers.get('x-revoagent-estimated'), 'true');
    assert.equal(response.headers.get('x-revoagent-run'), null, 'it is no run');
    const more = await client.messages.countTokens({ model, messages, system: 'Be brief.', tools });
    assert.ok(data.input_tokens > 0 && more.input_tokens > data.input_tokens);
    const { usage } = await client.messages.create({ ...asked, max_tokens: 50 });
    assert.ok(data.input_tokens >= usage.input_tokens, 'rather high than low');
    assert.equal(hub.upstream.received.length, askedBefore + 1, 'nobody is asked to count');
    await assert.rejects(client.messages.countTokens({ model, messages: [] }), Anthropic.BadRequestError);
  });

  it('gets a stream event by event, with what was used at its end', async () => {
    const stream = client.messages.stream(asked);
    const types: string[] = [];
    stream.on('streamEvent', ({ type }) => void types.push(type));
    const message = await stream.finalMessage();
    assert.deepEqual(message.content, [{ type: 'text', text: 'All is well.' }]);
    assert.deepEqual([message.stop_reason, message.usage.output_tokens], ['end_turn', 3]);
    assert.equal(types[0], 'message_start');
    assert.deepEqual(types.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
  });

  for (const streamed of [false, true])
    it(`calls tools and gives their results, ${streamed ? 'streamed' : 'plain'}`, async () => {
      hub.upstream.script(callsTools);
      const request = { ...asked, tools, tool_choice: { type: 'any' } as const };
      const message = streamed
        ? await client.messages.stream(request).finalMessage()
        : await client.messages.create(request);
      assert.equal(message.stop_reason, 'tool_use');
      const uses = message.content.filter((block) => block.type === 'tool_use');
      assert.deepEqual(
        uses.map(({ name, input }) => [name, input]),
        [
          ['weather', { city: 'Vienna' }],
          ['weather', { city: 'Graz' }],
        ],
      );
      assert.equal(last()['tool_choice'], 'required');
      const results = uses.map(({ id }) => ({ type: 'tool_result' as const, tool_use_id: id, content: 'sunny' }));
      const after = await client.messages.create({
        ...asked,
        tools,
        messages: [question, { role: 'assistant', content: message.content }, { role: 'user', content: results }],
      });
      assert.equal(after.stop_reason, 'end_turn');
      const sent = last()['messages'] as { role: string; tool_call_id?: string; tool_calls?: { id: string }[] }[];
      assert.deepEqual(
        sent.map(({ role }) => role),
        ['user', 'assistant', 'tool', 'tool'],
      );
      assert.deepEqual(
        sent[1]?.tool_calls?.map(({ id }) => id),
        sent.slice(2).map(({ tool_call_id: id }) => id),
      );
    });

  it('shows an image', async () => {
    const data = Buffer.from('a picture').toString('base64');
    await client.messages.create({
      ...asked,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data } },
            { type: 'text', text: 'What is it?' },
          ],
        },
      ],
    });
    assert.partialDeepStrictEqual(last(), {
      messages: [
        { content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }, { type: 'text' }] },
      ],
    });
  });

  it('is told on in words that any upstream of OpenAI’s form knows, as Claude Code asks', async () => {
    const cache_control = { type: 'ephemeral' } as const;
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } } as const;
    const url = 'data:image/png;base64,AAAA';
    const [tool] = tools;
    const use = (id: string) =>
      ({ type: 'tool_use', id, name: 'weather', input: { city: 'Bern' }, cache_control }) as const;
    const call = (id: string) => ({
      id,
      type: 'function',
      function: { name: 'weather', arguments: '{"city":"Bern"}' },
    });
    await client.messages.create({
      ...asked,
      cache_control,
      system: ['One.', 'Two.'].map((text) => ({ type: 'text', text, cache_control })),
      thinking: { type: 'enabled', budget_tokens: 4_096 },
      metadata: { user_id: 'u'.repeat(65) },
      tools: [{ ...(tool ?? assert.fail()), cache_control }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Well?', cache_control }] },
        {
          role: 'assistant',
          content: [{ type: 'thinking', thinking: 'Hm.', signature: 'c2ln' }, use('a'), use('b'), use('c')],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'a', content: 'No.', is_error: true, cache_control },
            { type: 'tool_result', tool_use_id: 'b', content: [image] },
            { type: 'tool_result', tool_use_id: 'c', content: [{ type: 'text', text: 'Rain.' }, image] },
            { type: 'text', text: 'Go on.', cache_control },
          ],
        },
        { role: 'system', content: 'Be kind.' },
      ],
    });
    const { name, description, input_schema: parameters } = tool ?? assert.fail();
    const pictured = { type: 'image_url', image_url: { url } };
    assert.deepEqual(last(), {
      model: 'test-model',
      stream: false,
      max_completion_tokens: 50,
      reasoning_effort: 'medium',
      tools: [{ type: 'function', function: { name, description, parameters } }],
      messages: [
        { role: 'system', content: ['One.', 'Two.'].map((text) => ({ type: 'text', text })) },
        { role: 'user', content: 'Well?' },
        { role: 'assistant', content: null, tool_calls: [call('a'), call('b'), call('c')] },
        { role: 'tool', tool_call_id: 'a', content: 'No.' },
        { role: 'tool', tool_call_id: 'b', content: 'The result is shown in the next message.' },
        { role: 'tool', tool_call_id: 'c', content: 'Rain.' },
        { role: 'user', content: [pictured, pictured] },
        { role: 'user', content: 'Go on.' },
        { role: 'system', content: 'Be kind.' },
      ],
    });
  });

  it('is told by name what no other provider could be asked', async () => {
    const asking = hub.upstream.received.length;
    const search: Anthropic.ToolUnion = { type: 'web_search_20250305', name: 'web_search' };
    const found: Anthropic.SearchResultBlockParam = { type: 'search_result', source: 's', title: 't', content: [] };
    const source = { type: 'text', media_type: 'text/plain', data: 'Grass.' } as const;
    const cited: Anthropic.DocumentBlockParam = { type: 'document', source, citations: { enabled: true } };
    const says = (block: Anthropic.ContentBlockParam) => ({ messages: [{ role: 'user' as const, content: [block] }] });
    const refused: readonly (readonly [Partial<Anthropic.MessageCreateParamsNonStreaming> & object, RegExp])[] = [
      [{ tools: [search] }, /tools\[0\]\.type: it is .+web_search_20250305/],
      [says(found), /messages\.content: it holds a block of the type .+search_result/],
      [says(cited), /messages\.content: it holds a block of the type .+document/],
      [{ output_config: { task_budget: { type: 'tokens', total: 20_000 } } }, /output_config\.task_budget/],
      [Object({ field_of_next_year: 1 }), /field_of_next_year/],
    ];
    for (const [fields, name] of refused)
      await assert.rejects(client.messages.create({ ...asked, ...fields }), (error) => {
        assert.ok(error instanceof Anthropic.BadRequestError);
        assert.match(error.message, name);
        assert.match(error.message, /leave it out, or ask a deployment of the kind anthropic/);
        return true;
      });
    assert.equal(hub.upstream.received.length, asking, 'nobody was asked');
  });

  it('is never given a cut stream as a whole answer', async () => {
    hub.upstream.script(streams(['All ', 'is '], { ending: 'cut' }));
    const stream = client.messages.stream(asked);
    let text = '';
    stream.on('text', (part) => void (text += part));
    await assert.rejects(stream.finalMessage(), Anthropic.APIError);
    // What a cut connection had not delivered yet is lost with it.
    assert.ok('All is '.startsWith(text), text);
  });

  it('leaves, and the upstream is left too', async () => {
    hub.upstream.script(neverAnswers);
    const seen = hub.upstream.received.length;
    const leaving = new AbortController();
    const asking = client.messages.create(asked, { signal: leaving.signal });
    await until('the upstream is asked', () => hub.upstream.received.length > seen);
    leaving.abort();
    await assert.rejects(asking, Anthropic.APIUserAbortError);
    await until('the upstream was left', () => hub.upstream.received.at(-1)?.aborted === true);
  });

  it('raises its own classes of errors', async () => {
    const keyless = new Anthropic({ baseURL: hub.baseURL.replace(/\/v1$/, ''), apiKey: 'wrong', maxRetries: 0 });
    await assert.rejects(keyless.messages.create(asked), Anthropic.AuthenticationError);
    await assert.rejects(client.messages.create({ ...asked, max_tokens: 0 }), Anthropic.BadRequestError);
    hub.upstream.script(refuses(500));
    await assert.rejects(client.messages.create(asked), Anthropic.InternalServerError);
    // Last of all: the deployment is left alone for as long as it said.
    hub.upstream.script(refuses(429, { message: 'slow down', type: 'rate_limit' }, { 'retry-after': '7' }));
    await assert.rejects(client.messages.create(asked), (error) => {
      assert.ok(error instanceof Anthropic.RateLimitError);
      assert.equal(error.headers.get('retry-after'), '7');
      return true;
    });
  });
});
