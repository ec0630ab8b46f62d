/** What a chat request becomes for Anthropic, and what is refused by its name: the whole table. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatMessage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { messagesRequest } from './request.ts';
import type { Fields } from './told.ts';

const OPTIONS = { model: 'claude-test', stream: false, maxTokensDefault: 4096, prefill: true };
const ASKED: ChatMessage[] = [{ role: 'user', content: 'Are you well?' }];

function told(fields: Fields, messages: ChatMessage[] = ASKED, options = OPTIONS): Fields {
  return messagesRequest({ model: 'asked', messages, ...fields }, options);
}

const turns = (messages: ChatMessage[]): unknown => told({}, messages)['messages'];
const call = (id: string, text = '{"city":"Bern"}'): Fields => ({
  id,
  type: 'function',
  function: { name: 'weather', arguments: text },
});
const use = (id: string, input: unknown = { city: 'Bern' }): Fields => ({
  type: 'tool_use',
  id,
  name: 'weather',
  input,
});
const text = (words: string): Fields => ({ type: 'text', text: words });

describe('a field of the request', () => {
  const tools = [
    {
      type: 'function',
      function: { name: 'weather', description: 'Now.', parameters: { type: 'object' }, strict: true },
    },
  ];
  const schema = { type: 'object', properties: {}, additionalProperties: false };
  const ROWS: readonly (readonly [what: string, given: Fields, becomes: Fields])[] = [
    ['max_tokens', { max_tokens: 7 }, { max_tokens: 7 }],
    ['max_completion_tokens before max_tokens', { max_completion_tokens: 9, max_tokens: 7 }, { max_tokens: 9 }],
    ['no bound, as the default of the settings', { max_tokens: null }, { max_tokens: 4096 }],
    ['sampling', { temperature: 0.5, top_p: 0.9, top_k: 40 }, { temperature: 0.5, top_p: 0.9, top_k: 40 }],
    ['stop as a text', { stop: 'END' }, { stop_sequences: ['END'] }],
    ['stop as a list', { stop: ['A', 'B'] }, { stop_sequences: ['A', 'B'] }],
    ['user', { user: 'u-1' }, { metadata: { user_id: 'u-1' } }],
    ['safety_identifier', { safety_identifier: 'u-2' }, { metadata: { user_id: 'u-2' } }],
    [
      'tools',
      { tools },
      { tools: [{ name: 'weather', description: 'Now.', input_schema: { type: 'object' }, strict: true }] },
    ],
    ['tool_choice auto', { tools, tool_choice: 'auto' }, { tool_choice: { type: 'auto' } }],
    ['tool_choice required', { tools, tool_choice: 'required' }, { tool_choice: { type: 'any' } }],
    ['tool_choice none', { tools, tool_choice: 'none', parallel_tool_calls: false }, { tool_choice: { type: 'none' } }],
    [
      'tool_choice by name',
      { tools, tool_choice: { type: 'function', function: { name: 'weather' } } },
      { tool_choice: { type: 'tool', name: 'weather' } },
    ],
    [
      'parallel_tool_calls alone',
      { tools, parallel_tool_calls: false },
      { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    ],
    [
      'parallel_tool_calls with a choice',
      { tools, parallel_tool_calls: false, tool_choice: 'required' },
      { tool_choice: { type: 'any', disable_parallel_tool_use: true } },
    ],
    [
      'response_format json_schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } },
      { output_config: { format: { type: 'json_schema', schema } } },
    ],
    ['reasoning_effort', { reasoning_effort: 'high' }, { output_config: { effort: 'high' } }],
    ['reasoning_effort none', { reasoning_effort: 'none' }, { thinking: { type: 'disabled' } }],
    ['thinking, Anthropic’s own', { thinking: { type: 'adaptive' } }, { thinking: { type: 'adaptive' } }],
  ];
  for (const [what, given, becomes] of ROWS) {
    it(`is translated: ${what}`, () => {
      const request = told(given);
      assert.deepEqual(Object.fromEntries(Object.keys(becomes).map((name) => [name, request[name]])), becomes);
    });
  }

  it('that asks for nothing is left out, and nothing else is in the request', () => {
    const given = {
      n: 1,
      logprobs: false,
      top_logprobs: 0,
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      modalities: ['text'],
      service_tier: 'auto',
      store: false,
      metadata: { a: 'b' },
      prompt_cache_key: 'k',
      ...{
        response_format: { type: 'text' },
        tools: [],
        seed: null,
        stream_options: { include_usage: true },
      },
      ...{
        parallel_tool_calls: true,
        temperature: null,
        stop: [],
      },
    };
    assert.deepEqual(told(given), {
      model: 'claude-test',
      max_tokens: 4096,
      messages: ASKED,
      stream: false,
    });
  });

  const REFUSED: readonly (readonly [param: string, given: Fields])[] = [
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['top_logprobs', { top_logprobs: 3 }],
    ['logit_bias', { logit_bias: { 50256: -100 } }],
    ['seed', { seed: 7 }],
    ['frequency_penalty', { frequency_penalty: 0.5 }],
    ['presence_penalty', { presence_penalty: 0.5 }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['audio', { audio: { voice: 'alloy', format: 'wav' } }],
    ['store', { store: true }],
    ['service_tier', { service_tier: 'flex' }],
    ['functions', { functions: [{ name: 'f' }] }],
    ['web_search_options', { web_search_options: {} }],
    ['constructor', { constructor: 1 }],
    ['temperature', { temperature: 1.5 }],
    ['reasoning_effort', { reasoning_effort: 'minimal' }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['tools[0]', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    ['tools[0].function.examples', { tools: [{ type: 'function', function: { name: 'x', examples: [1] } }] }],
    ['tool_choice', { tools, tool_choice: { type: 'allowed_tools' } }],
    ['tool_choice', { tools, tool_choice: 'toString' }],
  ];
  for (const [param, given] of REFUSED) {
    it(`is refused by its name: ${JSON.stringify(given)}`, () => refusedAs(param, () => told(given)));
  }
});

describe('a conversation', () => {
  it('has its instructions apart, wherever they stood', () => {
    assert.equal(told({}, [{ role: 'system', content: 'Be brief.' }, ...ASKED])['system'], 'Be brief.');
    const late: ChatMessage[] = [
      { role: 'system', content: 'Be brief.' },
      ...ASKED,
      { role: 'developer', content: [text('Be kind.')] },
    ];
    assert.deepEqual(told({}, late)['system'], [text('Be brief.'), text('Be kind.')]);
    assert.deepEqual(turns(late), ASKED);
  });

  it('keeps text and pictures in their order', () => {
    const content = [
      text('What is this?'),
      { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=', detail: 'low' } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
    ];
    const becomes = [
      text('What is this?'),
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
      { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
    ];
    assert.deepEqual(turns([{ role: 'user', content }]), [{ role: 'user', content: becomes }]);
  });

  it('puts the results of one answer’s calls, and what the user adds, into one turn', () => {
    const messages: ChatMessage[] = [
      ...ASKED,
      { role: 'assistant', content: 'Let me look.', tool_calls: [call('call_1'), call('call_2', '')] },
      { role: 'tool', tool_call_id: 'call_1', name: 'weather', content: 'Rain.' },
      { role: 'tool', tool_call_id: 'call_2', content: [text('Sun.')] },
      { role: 'user', content: 'And now?' },
    ];
    assert.deepEqual(turns(messages), [
      ...ASKED,
      { role: 'assistant', content: [text('Let me look.'), use('call_1'), use('call_2', {})] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: 'Rain.' },
          { type: 'tool_result', tool_use_id: 'call_2', content: [text('Sun.')] },
          text('And now?'),
        ],
      },
    ]);
  });

  it('keeps another provider’s ids apart in the characters that Anthropic takes', () => {
    const messages: ChatMessage[] = [
      { role: 'assistant', content: null, tool_calls: [call('functions.weather:0')] },
      { role: 'tool', tool_call_id: 'functions.weather:0', content: 'Rain.' },
    ];
    assert.deepEqual(turns(messages), [
      { role: 'assistant', content: [use('functions_weather_0')] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'functions_weather_0', content: 'Rain.' }] },
    ]);
  });

  it('carries signed thinking back, and not the thinking that nobody signed', () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 's' };
    const answer = { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.', refusal: null } as const;
    assert.deepEqual(turns([...ASKED, answer, ...ASKED]), [...ASKED, { role: 'assistant', content: 'Yes.' }, ...ASKED]);
    assert.deepEqual(
      turns([...ASKED, { ...answer, thinking_blocks: [thinking, { ...thinking, signature: '' }] }, ...ASKED]),
      [...ASKED, { role: 'assistant', content: [thinking, text('Yes.')] }, ...ASKED],
    );
  });

  it('leaves out what is empty, which Anthropic would refuse', () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: [text(''), text('Hello.')] },
      { role: 'assistant', content: '', tool_calls: [] },
      ...ASKED,
    ];
    assert.deepEqual(turns(messages), [{ role: 'user', content: [text('Hello.')] }, ...ASKED]);
  });

  it('may end with the beginning of the answer, without white space, where the provider goes on from it', () => {
    const begun: ChatMessage[] = [...ASKED, { role: 'assistant', content: 'I am \n' }];
    assert.deepEqual(turns(begun), [...ASKED, { role: 'assistant', content: 'I am' }]);
    refusedAs('messages[1]', () => told({}, begun, { ...OPTIONS, prefill: false }));
  });

  it('carries Anthropic’s cache marks', () => {
    const cache_control = { type: 'ephemeral' };
    const marked = [{ ...text('Long.'), cache_control }];
    assert.deepEqual(turns([{ role: 'user', content: marked }]), [{ role: 'user', content: marked }]);
  });

  const user = (part: Fields): ChatMessage[] => [{ role: 'user', content: [part] }];
  const REFUSED: readonly (readonly [param: string, messages: ChatMessage[]])[] = [
    ['messages[0].content[0]', user({ type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } })],
    ['messages[0].content[0]', user({ type: 'file', file: { file_id: 'f' } })],
    ['messages[0].content[0].image_url.url', user({ type: 'image_url', image_url: { url: 'ftp://h/a.png' } })],
    ['messages[0].content[0].image_url.url', user({ type: 'image_url', image_url: { url: 'data:text/html,hi' } })],
    ['messages[0].content[0].logo', user({ ...text('Hello.'), logo: 'x' })],
    ['messages[0].name', [{ role: 'user', name: 'Ada', content: 'Hello.' }]],
    ['messages[0].role', [{ role: 'function', name: 'f', content: 'x' }]],
    ['messages[0].audio', [{ role: 'assistant', audio: { id: 'a' } }]],
    ['messages[0].tool_calls[0].function.arguments', [{ role: 'assistant', tool_calls: [call('c', '{"a":')] }]],
    ['messages[0].tool_calls[0].function.arguments', [{ role: 'assistant', tool_calls: [call('c', '[1]')] }]],
    ['messages[0].tool_calls[0]', [{ role: 'assistant', tool_calls: [{ id: 'c', type: 'custom' }] }]],
  ];
  for (const [param, messages] of REFUSED) {
    it(`with ${JSON.stringify(messages[0])} is refused as ${param}`, () => refusedAs(param, () => turns(messages)));
  }
});

function refusedAs(param: string, translate: () => unknown): void {
  assert.throws(translate, (error) => {
    assert.ok(error instanceof UpstreamFailure, String(error));
    assert.deepEqual([error.kind, error.body?.param], ['untranslatable', param]);
    assert.equal(error.body?.message.startsWith(`${param} `), true);
    return true;
  });
}
