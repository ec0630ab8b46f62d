/** What a chat must become so that Anthropic takes it, where the round trip alone would not show that it does not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatMessage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { Json } from '../json.ts';
import { OF_ITS_MAKER } from '../sent-back.ts';
import type { Turn } from './messages.ts';
import { fromMessagesRequest, toMessagesRequest } from './request.ts';

const ASKED: ChatMessage[] = [{ role: 'user', content: 'Are you well?' }];
const told = (fields: Json, messages = ASKED) =>
  toMessagesRequest({ model: 'asked', messages, ...fields }, 'claude', 4096);
const turns = (messages: ChatMessage[]) => told({}, messages).messages;

describe('a conversation', () => {
  it('may end with the beginning of the answer, without the white space at which Anthropic refuses it', () => {
    const begun = (content: string | Json[]): ChatMessage[] => [...ASKED, { role: 'assistant', content }];
    assert.deepEqual(turns(begun('I am \n')), [...ASKED, { role: 'assistant', content: 'I am' }]);
    assert.deepEqual(turns(begun([{ type: 'text', text: 'I am ' }])), begun([{ type: 'text', text: 'I am' }]));
    assert.deepEqual(turns(begun(' ')), ASKED);
  });

  it('goes on with what another provider has answered, without what that one alone understands', () => {
    const answered = (message: Json) => turns([...ASKED, { role: 'assistant', ...message }, ...ASKED])[1]?.content;
    const made = Object.fromEntries(OF_ITS_MAKER.map((name) => [name, [{ of: 'its maker' }]]));
    assert.deepEqual(answered({ content: 'Yes.', refusal: null, ...made }), [{ type: 'text', text: 'Yes.' }]);
    assert.deepEqual(answered({ content: null, refusal: 'No.' }), [{ type: 'text', text: 'No.' }]);
    const parts = [{ type: 'refusal', refusal: 'No.' }];
    assert.deepEqual(answered({ content: parts }), [{ type: 'text', text: 'No.' }]);
    assert.equal(answered({ content: 'Yes.', refusal: null }), 'Yes.');
  });

  it('is told to others without thoughts that nobody has signed, which the hub itself shows of their answers', () => {
    const heard = (signature: string, text = [{ type: 'text', text: 'So.' }]) =>
      fromMessagesRequest({
        model: 'asked',
        max_tokens: 9,
        messages: [
          { role: 'user', content: 'Why?' },
          {
            role: 'assistant',
            content: [{ type: 'thinking', thinking: 'Hm.', signature }, ...text],
          },
        ],
      }).messages[1];
    assert.deepEqual(heard(''), { role: 'assistant', content: [{ type: 'text', text: 'So.' }] });
    assert.deepEqual(heard('', []), { role: 'assistant', content: '' });
    assert.ok(heard('c2VhbA==')?.['thinking_blocks']);
  });

  it('leaves out what is empty, which Anthropic would refuse', () => {
    const hello = { type: 'text', text: 'Hello.' };
    const messages: ChatMessage[] = [
      { role: 'user', content: [{ type: 'text', text: '' }, hello] },
      { role: 'assistant', content: '' },
      ...ASKED,
    ];
    assert.deepEqual(turns(messages), [{ role: 'user', content: [hello] }, ...ASKED]);
  });

  it('keeps another provider’s ids apart in the characters that Anthropic takes', () => {
    const id = 'functions.weather:0';
    const [answer, results] = turns([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id, type: 'function', function: { name: 'w', arguments: '' } }],
      },
      { role: 'tool', tool_call_id: id, content: 'Rain.' },
    ]);
    assert.deepEqual(answer?.content, [{ type: 'tool_use', id: 'functions_weather_0', name: 'w', input: {} }]);
    assert.deepEqual(results?.content, [{ type: 'tool_result', tool_use_id: 'functions_weather_0', content: 'Rain.' }]);
  });

  it('shows an image in full, as Anthropic does anyway, and none for less', () => {
    const image = (detail?: string | null) =>
      turns([
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png', detail } }] },
      ]);
    for (const detail of ['auto', 'high', null]) assert.deepEqual(image(detail), image());
    assert.throws(() => image('low'), UpstreamFailure);
  });

  it('carries signed thinking back, and not the thinking that nobody signed', () => {
    const signed = { type: 'thinking', thinking: 'Hm.', signature: 's' };
    const thinking_blocks = [signed, { type: 'thinking', thinking: 'Hm.', signature: '' }];
    const [answer] = turns([
      { role: 'assistant', content: 'Yes.', thinking_blocks, reasoning_content: 'Hm.' },
      ...ASKED,
    ]);
    assert.deepEqual(answer?.content, [signed, { type: 'text', text: 'Yes.' }]);
  });
});

describe('an answer of Anthropic’s that comes back', () => {
  const thought = (thinking: string): Json => ({ type: 'thinking', thinking, signature: 's' });
  const text = { type: 'text', text: 'One.' };
  const use = { type: 'tool_use', id: 't', name: 'w', input: {} };
  const cache_control = { type: 'ephemeral' };
  const pdf = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' } };
  for (const content of [
    [thought('a'), text, thought('b'), use],
    [thought('a'), use, thought('b'), text],
    [text, thought('a'), use],
    [thought('a'), thought('b'), text, { ...use, cache_control }],
  ])
    it(`keeps the order of its blocks, their places in the cache, and the documents of results: ${content.map(({ type }) => type).join(', ')}`, () => {
      const messages: Turn[] = [
        { role: 'user', content: 'Well?' },
        { role: 'assistant', content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [pdf], cache_control }] },
      ];
      const request = fromMessagesRequest({ model: 'm', max_tokens: 9, messages });
      assert.deepEqual(toMessagesRequest(request, 'm', 1).messages, messages);
    });
});

describe('a field', () => {
  it('that says nothing about the answer is left out', () => {
    const unsaid = {
      metadata: { a: 'b' },
      safety_identifier: 's',
      prompt_cache_key: 'k',
      prompt_cache_retention: '24h',
    };
    assert.deepEqual(told(unsaid), told({}));
  });

  const REFUSED: readonly (readonly [param: string, given: Json])[] = [
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['logit_bias', { logit_bias: { 50256: -100 } }],
    ['seed', { seed: 7 }],
    ['frequency_penalty', { frequency_penalty: 0.5 }],
    ['audio', { audio: { voice: 'alloy' } }],
    ['store', { store: true }],
    ['functions', { functions: [{ name: 'f' }] }],
    ['constructor', { constructor: 1 }],
    ['temperature', { temperature: 1.5 }],
    ['reasoning_effort', { reasoning_effort: 'constructor' }],
    ['service_tier', { service_tier: 'flex' }],
    ['response_format', { response_format: { type: 'json_object' }, thinking: { type: 'enabled' } }],
    ['tools[0].type', { tools: [{ type: 'custom' }] }],
    ['tool_choice', { tools: [{ type: 'function', function: { name: 'w' } }], tool_choice: 'toString' }],
  ];
  for (const [param, given] of REFUSED) {
    it(`is refused by its name: ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => told(given),
        (error) => error instanceof UpstreamFailure && error.kind === 'untranslatable' && error.body?.param === param,
      );
    });
  }

  it('about its tier is told in the words of either side', () => {
    const body = {
      model: 'asked',
      max_tokens: 9,
      messages: ASKED.map(() => ({ role: 'user' as const, content: 'Hi.' })),
    };
    for (const [hub, anthropic] of [
      ['auto', 'auto'],
      ['default', 'standard_only'],
    ]) {
      assert.equal(told({ service_tier: hub })['service_tier'], anthropic);
      assert.equal(fromMessagesRequest({ ...body, service_tier: anthropic })['service_tier'], hub);
    }
    assert.equal(told({ service_tier: null })['service_tier'], undefined);
  });

  it('that says "as ever" is left out', () => {
    const request = told({ n: 1, logprobs: false, top_logprobs: 0, presence_penalty: 0, store: false, seed: null });
    assert.deepEqual(request, { model: 'claude', max_tokens: 4096, messages: ASKED });
  });

  it('about thinking is not told beside a call that is forced, which Anthropic refuses', () => {
    const tools = [{ type: 'function', function: { name: 'w' } }];
    const named = { type: 'function', function: { name: 'w' } };
    const thinks = (fields: Json) => {
      const { thinking, max_tokens: bound } = told({ reasoning_effort: 'low', max_tokens: 9, ...fields });
      return [thinking !== undefined, bound];
    };
    for (const fields of [{}, { tools }, { tools, tool_choice: 'auto' }, { tools, tool_choice: 'none' }])
      assert.deepEqual(thinks(fields), [true, 1_033]);
    for (const tool_choice of ['required', named]) assert.deepEqual(thinks({ tools, tool_choice }), [false, 9]);
    assert.deepEqual(thinks({ response_format: { type: 'json_object' } }), [false, 9]);
  });

  for (const [models, fields] of [
    [
      [
        'claude',
        'claude-3-7-sonnet-20250219',
        'claude-sonnet-4-20250514',
        'claude-opus-4-1',
        'claude-haiku-4-5-20251001',
      ],
      { thinking: { type: 'enabled', budget_tokens: 4_096 } },
    ],
    [
      [
        'claude-opus-4-6',
        'anthropic.claude-opus-4-7',
        'claude-sonnet-4.6',
        'claude-opus-5',
        'claude-opus-4-10-20270101',
      ],
      { thinking: { type: 'adaptive' }, output_config: { effort: 'medium' } },
    ],
  ] as const)
    it(`about thinking is told as the model has it: ${Object.keys(fields).join(', ')}`, () => {
      for (const model of models) {
        const request = toMessagesRequest({ model: 'm', messages: ASKED, reasoning_effort: 'medium' }, model, 10);
        assert.deepEqual(request, { model, messages: ASKED, max_tokens: 4_106, ...fields });
      }
    });

  for (const effort of ['xhigh', 'max'])
    it(`about thinking beyond all budgets is told to models that have the word ${effort}`, () => {
      const ask = (model: string) =>
        toMessagesRequest({ model: 'm', messages: ASKED, reasoning_effort: effort }, model, 10);
      assert.partialDeepStrictEqual(ask('claude-opus-4-7'), {
        thinking: { type: 'adaptive' },
        output_config: { effort },
      });
      assert.throws(() => ask('claude-opus-4-1'), /what this upstream cannot be told/);
    });

  it('about calls side by side is not told where no tool may be called', () => {
    const tools = [{ type: 'function', function: { name: 'w' } }];
    const choice = (fields: Json) => told({ tools, parallel_tool_calls: false, ...fields })['tool_choice'];
    assert.deepEqual(choice({ tool_choice: 'none' }), { type: 'none' });
    assert.deepEqual(choice({}), { type: 'auto', disable_parallel_tool_use: true });
  });
});
