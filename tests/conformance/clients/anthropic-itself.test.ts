/**
 * The official Anthropic client through a started hub to Anthropic: what it asks for arrives as it wrote it, and what comes back is what was
 * answered, whether the hub knows it or not; plain, streamed and out of the cache.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { event, message } from '../../helpers/anthropic-upstream.ts';
import { startHubProcess } from '../../helpers/hub-process.ts';
import { forTheSuite } from '../../helpers/suite.ts';
import { answersBody, startUpstream } from '../../helpers/upstream.ts';
import type { Behaviour } from '../../helpers/upstream.ts';
import { MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

type Fields = Record<string, unknown>;

const CITED = {
  type: 'char_location',
  cited_text: 'green',
  document_index: 0,
  document_title: 'A',
  start_char_index: 4,
  end_char_index: 9,
};
/** As where the model searches, thinks between its calls, cites what it found, and runs code that calls a tool of the client's. */
const BLOCKS = [
  { type: 'thinking', thinking: 'Search first.', signature: 'sig-1' },
  { type: 'text', text: 'Let me look.' },
  { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'grass' } },
  {
    type: 'web_search_tool_result',
    tool_use_id: 'srvtoolu_1',
    content: [
      {
        type: 'web_search_result',
        url: 'https://example.com',
        title: 'A',
        encrypted_content: 'sealed',
        page_age: null,
      },
    ],
  },
  { type: 'thinking', thinking: 'It is green.', signature: 'sig-2' },
  { type: 'text', text: 'The grass ' },
  { type: 'text', text: 'is green', citations: [CITED] },
  { type: 'text', text: '.' },
  {
    type: 'tool_use',
    id: 'toolu_1',
    name: 'paint',
    input: { colour: 'green' },
    caller: { type: 'code_execution_20260120', tool_id: 'srvtoolu_1' },
  },
  { type: 'block_of_next_year', data: [1, { a: null }] },
] as const;
const USAGE = { input_tokens: 7, output_tokens: 3, server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 } };
const CONTAINER = { id: 'container_1', expires_at: '2026-01-01T00:00:00Z' };

const answers: Behaviour = (exchange) => {
  const whole = { ...message(BLOCKS, 'tool_use'), container: CONTAINER, usage: USAGE };
  if (exchange.received.body['stream'] !== true) return answersBody(whole)(exchange);
  const start = { ...message([], ''), stop_reason: null, usage: { ...USAGE, output_tokens: 1 } };
  const delta = { stop_reason: 'tool_use', stop_sequence: null, container: CONTAINER };
  const events = [
    { type: 'message_start', message: start },
    ...BLOCKS.flatMap(eventsOf),
    { type: 'message_delta', delta, usage: USAGE },
    { type: 'message_stop' },
  ];
  exchange.response
    .writeHead(200, { 'content-type': 'text/event-stream' })
    .end(events.map((each) => event(each)).join(''));
};

type Block = (typeof BLOCKS)[number];

function eventsOf(block: Block | { type: 'text'; text: string }, index: number): Parameters<typeof event>[0][] {
  const [begun, deltas] = piecesOf(block);
  return [
    { type: 'content_block_start', index, content_block: begun },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}

function piecesOf(block: Parameters<typeof eventsOf>[0]): [begun: Fields, deltas: Fields[]] {
  if (block.type === 'text') {
    const cited =
      'citations' in block ? block.citations.map((citation) => ({ type: 'citations_delta', citation })) : [];
    return [{ type: 'text', text: '' }, [...cited, { type: 'text_delta', text: block.text }]];
  }
  if (block.type === 'thinking') {
    const { thinking, signature } = block;
    const deltas = [
      { type: 'thinking_delta', thinking },
      { type: 'signature_delta', signature },
    ];
    return [{ type: 'thinking', thinking: '', signature: '' }, deltas];
  }
  if (!('input' in block)) return [block, []];
  return [{ ...block, input: {} }, [{ type: 'input_json_delta', partial_json: JSON.stringify(block.input) }]];
}

const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 3 } as const;
const paint: Anthropic.Tool = { name: 'paint', input_schema: { type: 'object' } };
const question: Anthropic.MessageParam = {
  role: 'user',
  content: [
    {
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'The green grass.' },
      title: 'A',
      context: 'Of a garden.',
      citations: { enabled: true },
    },
    { type: 'search_result', source: 'https://example.com', title: 'B', content: [{ type: 'text', text: 'Grass.' }] },
    { type: 'text', text: 'Which colour has it?', cache_control: { type: 'ephemeral' } },
  ],
};
const asked = { model: MODEL, max_tokens: 50, stop_sequences: ['END'], tools: [search, paint], messages: [question] };

describe('the official Anthropic client, with Anthropic behind the hub', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let client: Anthropic;
  before(async () => {
    hub = await startHubWithKey(suite, 'anthropic');
    hub.upstream.otherwise = answers;
    client = new Anthropic({ baseURL: hub.baseURL.replace(/\/v1$/, ''), apiKey: hub.apiKey, maxRetries: 0 });
  });
  const last = () => hub.upstream.received.at(-1) ?? assert.fail('nothing arrived');
  const whole = async (answer: Promise<Anthropic.Message>): Promise<void> => {
    const { content, stop_reason, container, usage } = await answer;
    assert.deepEqual(content, BLOCKS);
    assert.deepEqual([stop_reason, container], ['tool_use', CONTAINER]);
    assert.partialDeepStrictEqual(usage, USAGE);
  };

  it('has its tools, documents and results of searches told as they are', async () => {
    await whole(client.messages.create(asked));
    assert.deepEqual(last().body, { ...asked, model: 'test-model', stream: false });
    await client.messages.countTokens({ model: MODEL, tools: asked.tools, messages: asked.messages });
    const { tools, messages } = asked;
    assert.deepEqual(last().body, { model: 'test-model', tools, messages });
  });

  it('has what it knows of tomorrow told as it is, and the features that it switches on', async () => {
    const { messages, ...rest } = asked;
    const file = { type: 'document', source: { type: 'file', file_id: 'file_1' } } as const;
    const field: object = { field_of_next_year: { a: [1] } };
    const request: Anthropic.Beta.MessageCreateParamsNonStreaming = {
      ...field,
      ...rest,
      tools: [search, { type: 'memory_20250818', name: 'memory' }, { type: 'bash_20250124', name: 'bash' }],
      messages: [{ role: 'user', content: [file, { type: 'container_upload', file_id: 'file_2' }] }],
      output_config: { effort: 'low', task_budget: { type: 'tokens', total: 20_000 } },
      context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
    };
    await client.beta.messages.create({ ...request, betas: ['files-api-2025-04-14', 'context-management-2025-06-27'] });
    assert.deepEqual(last().body, { ...request, model: 'test-model', stream: false });
    assert.equal(last().headers['anthropic-beta'], 'files-api-2025-04-14,context-management-2025-06-27');
    assert.equal(messages.length, 1);
  });

  it('is given all of an answer event by event, and sends it back as it was', async () => {
    const stream = client.messages.stream(asked);
    await whole(stream.finalMessage());
    const { content } = await stream.finalMessage();
    const found: Anthropic.SearchResultBlockParam = { type: 'search_result', source: 's', title: 't', content: [] };
    const result: Anthropic.ToolResultBlockParam = { type: 'tool_result', tool_use_id: 'toolu_1', content: [found] };
    const messages: Anthropic.MessageParam[] = [
      question,
      { role: 'assistant', content },
      { role: 'user', content: [result] },
      { role: 'system', content: 'Be brief from now on.' },
      { role: 'system', content: [{ type: 'text', text: 'And kind.' }] },
    ];
    await client.messages.create({ ...asked, messages });
    assert.deepEqual(last().body['messages'], messages);
  });

  for (const [first, then] of [
    ['plain', 'streamed'],
    ['streamed', 'plain'],
    ['streamed', 'streamed'],
  ] as const)
    it(`is given all of an answer out of the cache, ${then} after it was ${first}`, async () => {
      const request = { ...asked, system: `${first}, ${then}` };
      const options = { headers: { 'x-revoagent-cache': 'on' } };
      const ask = (way: 'plain' | 'streamed'): Promise<Anthropic.Message> =>
        way === 'plain'
          ? client.messages.create(request, options)
          : client.messages.stream(request, options).finalMessage();
      await whole(ask(first));
      const asking = hub.upstream.received.length;
      await whole(ask(then));
      assert.equal(hub.upstream.received.length, asking, 'it was kept');
    });

  for (const way of ['plain', 'streamed'] as const)
    it(`hears where a ${way} answer out of the cache stopped`, async () => {
      const stopped = { stop_reason: 'stop_sequence', stop_sequence: 'END' } as const;
      hub.upstream.script(({ response }) => {
        const events = [
          { type: 'message_start', message: message([], '') },
          ...eventsOf({ type: 'text', text: 'So far' }, 0),
          { type: 'message_delta', delta: stopped, usage: USAGE },
          { type: 'message_stop' },
        ];
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(events.map((each) => event(each)).join(''));
      });
      const request = { ...asked, system: `stops, ${way}` };
      const options = { headers: { 'x-revoagent-cache': 'on' } };
      await client.messages.stream(request, options).finalMessage();
      const answer = await (way === 'plain'
        ? client.messages.create(request, options)
        : client.messages.stream(request, options).finalMessage());
      assert.partialDeepStrictEqual(answer, { ...stopped, content: [{ type: 'text', text: 'So far' }] });
    });

  it('is answered by Anthropic where the deployments before it cannot be told', async (t) => {
    const other = await startUpstream(t);
    const providers = {
      openai: { kind: 'openai-compatible', baseUrl: other.baseUrl },
      gemini: { kind: 'gemini', baseUrl: other.baseUrl, apiKey: 'k' },
      anthropic: { kind: 'anthropic', baseUrl: hub.upstream.baseUrl, apiKey: 'k' },
    };
    const groups = Object.keys(providers).map((provider) => [{ provider, model: 'test-model' }]);
    const { url } = await startHubProcess(t, { config: { providers, routes: { any: { groups } } } });
    const routed = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    await whole(routed.messages.create({ ...asked, model: 'any' }));
    await whole(routed.messages.stream({ ...asked, model: 'any' }).finalMessage());
    assert.equal(other.received.length, 0, 'the others were not asked');
  });
});
