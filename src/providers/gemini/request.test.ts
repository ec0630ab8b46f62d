/** What each field of a chat request is to Gemini, and the name by which it is refused where it is nothing: the whole table. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatMessage, ChatRequest } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { OF_ITS_MAKER } from '#dialects/sent-back';
import { toGeminiRequest } from './request.ts';

const MODEL = 'gemini-2.5-flash';
const hello: ChatMessage = { role: 'user', content: 'Hello?' };
const lookup = { name: 'lookup', description: 'Looks up.', parameters: { type: 'object', $defs: { a: true } } };
const tool = { type: 'function', function: lookup };
const call = { id: 'call_1', type: 'function', function: { name: 'lookup', arguments: '{"city":"Oslo"}' } };

function requestOf(fields: Record<string, unknown>, messages: ChatMessage[] = [hello]): ChatRequest {
  return { model: 'asked', messages, ...fields };
}

const CONFIG: readonly (readonly [fields: Record<string, unknown>, config: unknown, model?: string])[] = [
  [{}, undefined],
  [{ temperature: null, stop: undefined, stream: true, stream_options: { include_usage: true } }, undefined],
  [{ temperature: 0 }, { temperature: 0 }],
  [
    { top_p: 0.5, top_k: 4, seed: 7, n: 2 },
    { topP: 0.5, topK: 4, seed: 7, candidateCount: 2 },
  ],
  [
    { presence_penalty: 1, frequency_penalty: -1 },
    { presencePenalty: 1, frequencyPenalty: -1 },
  ],
  [{ max_tokens: 9 }, { maxOutputTokens: 9 }],
  [{ max_completion_tokens: 8, max_tokens: 9 }, { maxOutputTokens: 8 }],
  [{ max_tokens: 9, max_completion_tokens: null }, { maxOutputTokens: 9 }],
  [{ stop: 'END' }, { stopSequences: ['END'] }],
  [{ stop: ['A', 'B'] }, { stopSequences: ['A', 'B'] }],
  [
    { logprobs: true, top_logprobs: 3 },
    { responseLogprobs: true, logprobs: 3 },
  ],
  [{ logprobs: false }, undefined],
  [{ response_format: { type: 'text' } }, undefined],
  [{ response_format: { type: 'json_object' } }, { responseMimeType: 'application/json' }],
  [
    { response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema: { type: 'object' } } } },
    { responseMimeType: 'application/json', responseJsonSchema: { type: 'object' } },
  ],
  [{ reasoning_effort: 'none' }, { thinkingConfig: { thinkingBudget: 0 } }],
  [{ reasoning_effort: 'minimal' }, { thinkingConfig: { thinkingBudget: 1_024 } }],
  [{ reasoning_effort: 'low' }, { thinkingConfig: { thinkingBudget: 1_024 } }],
  [{ reasoning_effort: 'medium' }, { thinkingConfig: { thinkingBudget: 8_192 } }],
  [{ reasoning_effort: 'high' }, { thinkingConfig: { thinkingBudget: 24_576 } }],
  [{ reasoning_effort: 'minimal' }, { thinkingConfig: { thinkingLevel: 'MINIMAL' } }, 'gemini-3-flash-preview'],
  [{ reasoning_effort: 'high' }, { thinkingConfig: { thinkingLevel: 'HIGH' } }, 'gemini-3.5-pro'],
  [{ reasoning_effort: 'low' }, { thinkingConfig: { thinkingLevel: 'LOW' } }, 'gemini-flash-latest'],
  [
    {
      user: 'u',
      metadata: { a: 'b' },
      safety_identifier: 's',
      prompt_cache_key: 'k',
      prompt_cache_retention: '24h',
      store: false,
    },
    undefined,
  ],
  [{ parallel_tool_calls: true, modalities: ['text'], service_tier: 'auto' }, undefined],
];

const REFUSED: readonly (readonly [param: string, fields: Record<string, unknown>, model?: string])[] = [
  ['logit_bias', { logit_bias: { 50256: -100 } }],
  ['vendor_option', { vendor_option: 1 }],
  ['constructor', { constructor: 1 }],
  ['functions', { functions: [] }],
  ['parallel_tool_calls', { parallel_tool_calls: false }],
  ['store', { store: true }],
  ['service_tier', { service_tier: 'flex' }],
  ['modalities', { modalities: ['text', 'audio'] }],
  ['prediction', { prediction: { type: 'content', content: 'x' } }],
  ['reasoning_effort', { reasoning_effort: 'xhigh' }],
  ['reasoning_effort', { reasoning_effort: 'none' }, 'gemini-3-pro-preview'],
  ['response_format.type', { response_format: { type: 'grammar' } }],
  ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: { name: 'n' } } }],
  ['tool_choice', { tool_choice: 'required' }],
  ['tool_choice', { tools: [tool], tool_choice: { type: 'custom', custom: { name: 'x' } } }],
  ['tools', { tools: {} }],
  ['tools[1]', { tools: [tool, { type: 'web_search' }] }],
  ['tools[0].function.returns', { tools: [{ type: 'function', function: { ...lookup, returns: {} } }] }],
];

const REFUSED_MESSAGES: readonly (readonly [param: string, messages: unknown[]])[] = [
  ['messages', [{ role: 'system', content: 'Be brief.' }]],
  ['messages[1].role', [hello, { role: 'system', content: 'Be brief.' }]],
  ['messages[0].role', [{ role: 'function', name: 'f', content: '1' }]],
  ['messages[0].name', [{ ...hello, name: 'Ada' }]],
  ['messages[0].content', [{ role: 'user', content: null }]],
  ['messages[0].content[1].type', [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'video_url' }] }]],
  ['messages[0].content[0].image_url.url', [userPart({ type: 'image_url', image_url: { url: 'http://a.b/c.png' } })]],
  ['messages[0].content[0].image_url.url', [userPart({ type: 'image_url', image_url: { url: 'file:///etc/hosts' } })]],
  ['messages[0].content[0].image_url.url', [userPart({ type: 'image_url', image_url: { url: 'data:,plain' } })]],
  ['messages[0].content[0].image_url', [userPart({ type: 'image_url' })]],
  ['messages[0].content[0].input_audio.format', [userPart({ type: 'input_audio', input_audio: { format: 'ogg' } })]],
  ['messages[0].content[0].input_audio.data', [userPart({ type: 'input_audio', input_audio: { format: 'wav' } })]],
  ['messages[0].content[0].file', [userPart({ type: 'file', file: { file_id: 'file-1' } })]],
  ['messages[1].audio', [hello, { role: 'assistant', audio: { id: 'a' } }]],
  ['messages[1].tool_calls[0]', [hello, { role: 'assistant', tool_calls: [{ type: 'custom', custom: {} }] }]],
  ['messages[1].tool_calls[0].function.arguments', [hello, calling('[1]')]],
  ['messages[1].tool_calls[0].function.arguments', [hello, calling('{"cut')]],
  ['messages[2].tool_call_id', [hello, calling('{}'), { role: 'tool', tool_call_id: 'call_2', content: '1' }]],
  [
    'messages[2].content[0]',
    [
      hello,
      calling('{}'),
      {
        role: 'tool',
        tool_call_id: 'call_1',
        content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }],
      },
    ],
  ],
];

function userPart(part: unknown): unknown {
  return { role: 'user', content: [part] };
}

function calling(text: string): unknown {
  return { role: 'assistant', tool_calls: [{ ...call, function: { name: 'lookup', arguments: text } }] };
}

function refusedAs(param: string, told: () => unknown): void {
  assert.throws(told, (error) => {
    assert.ok(error instanceof UpstreamFailure);
    assert.equal(error.kind, 'untranslatable');
    assert.equal(error.body?.param, param);
    assert.ok(error.body.message.startsWith(`${param}: `), error.body.message);
    return true;
  });
}

describe('a chat request told to Gemini', () => {
  for (const [fields, config, model = MODEL] of CONFIG) {
    it(`has ${JSON.stringify(fields)} as ${JSON.stringify(config)} (${model})`, () => {
      assert.deepEqual(toGeminiRequest(requestOf(fields), model).generationConfig, config);
    });
  }

  for (const [param, fields, model = MODEL] of REFUSED) {
    it(`is refused for ${param} where that is ${JSON.stringify(fields)}`, () => {
      refusedAs(param, () => toGeminiRequest(requestOf(fields), model));
    });
  }

  for (const [param, messages] of REFUSED_MESSAGES) {
    it(`is refused for ${param} in ${JSON.stringify(messages).slice(0, 160)}`, () => {
      refusedAs(param, () => toGeminiRequest(requestOf({}, messages as ChatMessage[]), MODEL));
    });
  }
});

describe('the tools of a request', () => {
  const strictTool = { type: 'function', function: { ...lookup, strict: true } };
  const CHOICES: readonly (readonly [choice: unknown, tools: unknown[], config: unknown])[] = [
    [undefined, [tool], { mode: 'AUTO' }],
    ['auto', [tool], { mode: 'AUTO' }],
    ['auto', [tool, strictTool], { mode: 'VALIDATED' }],
    ['none', [tool], { mode: 'NONE' }],
    ['required', [strictTool], { mode: 'ANY' }],
    [tool, [tool], { mode: 'ANY', allowedFunctionNames: ['lookup'] }],
    [
      { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [tool] } },
      [tool],
      { mode: 'ANY', allowedFunctionNames: ['lookup'] },
    ],
    [
      { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [tool] } },
      [tool],
      { mode: 'VALIDATED', allowedFunctionNames: ['lookup'] },
    ],
  ];
  for (const [choice, tools, config] of CHOICES) {
    it(`are chosen from as ${JSON.stringify(config)} for ${JSON.stringify(choice)?.slice(0, 80)}`, () => {
      const told = toGeminiRequest(requestOf({ tools, tool_choice: choice }), MODEL);
      assert.deepEqual(told.toolConfig, { functionCallingConfig: config });
    });
  }

  it('keep their schemas as they are, and need none', () => {
    const bare = { type: 'function', function: { name: 'bare' } };
    assert.deepEqual(toGeminiRequest(requestOf({ tools: [tool, bare] }), MODEL).tools, [
      {
        functionDeclarations: [
          { name: 'lookup', description: 'Looks up.', parametersJsonSchema: lookup.parameters },
          { name: 'bare' },
        ],
      },
    ]);
  });

  it('are left out where the list is empty', () => {
    const told = toGeminiRequest(requestOf({ tools: [], tool_choice: 'auto' }), MODEL);
    assert.deepEqual(Object.keys(told), ['contents']);
  });
});

describe('a conversation told to Gemini', () => {
  const contents = (messages: unknown[], model = MODEL) =>
    toGeminiRequest(requestOf({}, messages as ChatMessage[]), model).contents;

  it('has its instructions apart, and images by what they are', () => {
    const image = (url: string): unknown => ({ type: 'image_url', image_url: { url, detail: 'low' } });
    const told = toGeminiRequest(
      requestOf({}, [
        { role: 'system', content: 'One.' },
        { role: 'developer', content: [{ type: 'text', text: 'Two.' }] },
        {
          role: 'user',
          content: [
            image('data:image/webp;charset=utf-8;base64,QUJD'),
            image('https://example.com/a/photo.JPG?size=1'),
            image('https://example.com/photo'),
          ] as Record<string, unknown>[],
        },
      ]),
      MODEL,
    );
    assert.deepEqual(told.systemInstruction, { parts: [{ text: 'One.' }, { text: 'Two.' }] });
    assert.deepEqual(told.contents, [
      {
        role: 'user',
        parts: [
          { inlineData: { mimeType: 'image/webp', data: 'QUJD' } },
          { fileData: { mimeType: 'image/jpeg', fileUri: 'https://example.com/a/photo.JPG?size=1' } },
          { fileData: { fileUri: 'https://example.com/photo' } },
        ],
      },
    ]);
  });

  it('has the results of one turn in one content, each with the name of the function that was called', () => {
    const calls = [call, { ...call, id: 'call_2', function: { name: 'other', arguments: '' } }];
    const results = [
      { role: 'tool', tool_call_id: 'call_2', name: 'ignored', content: 'B' },
      {
        role: 'tool',
        tool_call_id: 'call_1',
        content: [
          { type: 'text', text: 'A' },
          { type: 'text', text: 'a' },
        ],
      },
    ];
    assert.deepEqual(contents([hello, { role: 'assistant', content: null, tool_calls: calls }, ...results, hello]), [
      { role: 'user', parts: [{ text: 'Hello?' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { id: 'call_1', name: 'lookup', args: { city: 'Oslo' } } },
          { functionCall: { id: 'call_2', name: 'other', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'call_2', name: 'other', response: { output: 'B' } } },
          { functionResponse: { id: 'call_1', name: 'lookup', response: { output: 'Aa' } } },
        ],
      },
      { role: 'user', parts: [{ text: 'Hello?' }] },
    ]);
  });

  it('gives Gemini 3 the signature of a call, or its word for a call that another provider made', () => {
    const sealed = { ...call, extra_content: { google: { thought_signature: 'c2VhbA==' } } };
    const signatures = (calls: unknown[], model: string): unknown[] =>
      contents([hello, { role: 'assistant', tool_calls: calls }], model)[1]?.parts.map(
        (part) => part.thoughtSignature,
      ) ?? [];
    assert.deepEqual(signatures([sealed, call], 'gemini-3-pro-preview'), ['c2VhbA==', undefined]);
    assert.deepEqual(signatures([call, call], 'gemini-3-pro-preview'), ['skip_thought_signature_validator', undefined]);
    assert.deepEqual(signatures([sealed, call], MODEL), ['c2VhbA==', undefined]);
    assert.deepEqual(signatures([call, call], MODEL), [undefined, undefined]);
  });

  it('goes on with what another provider has answered, without what that one alone understands', () => {
    const made = Object.fromEntries(OF_ITS_MAKER.map((name) => [name, [{ of: 'its maker' }]]));
    assert.deepEqual(contents([hello, { role: 'assistant', content: 'Yes.', ...made }])[1], {
      role: 'model',
      parts: [{ text: 'Yes.' }],
    });
  });

  it('takes a refusal for what the assistant said, and an empty answer for an empty one', () => {
    assert.deepEqual(
      contents([hello, { role: 'assistant', content: null, refusal: 'No.', reasoning_content: 'Hm.' }])[1],
      {
        role: 'model',
        parts: [{ text: 'No.' }],
      },
    );
    assert.deepEqual(contents([hello, { role: 'assistant', content: '' }])[1], {
      role: 'model',
      parts: [{ text: '' }],
    });
  });
});
