/** What becomes of a request of the Responses API: told in the hub's form, or refused by the name of what has no word there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamFailure } from '#contract/provider';
import type { Json } from '../json.ts';
import { toChatRequest } from './request.ts';

const told = (fields: Json, input: string | Json[] = 'Are you well?') =>
  toChatRequest({ model: 'm', input, ...fields });
const messages = (...input: Json[]) => told({}, input).messages;
const user = { role: 'user', content: 'Are you well?' };
const call = (id: string) => ({ type: 'function_call', id: `fc_${id}`, call_id: id, name: 'weather', arguments: '{}' });
const called = (id: string) => ({ id, type: 'function', function: { name: 'weather', arguments: '{}' } });
const output = (id: string) => ({ type: 'function_call_output', call_id: id, output: 'sunny' });
const result = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'sunny' });
const said = (text: string) => ({
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [], logprobs: [] }],
});

describe('an input', () => {
  it('that is a text is what a user says, after the instructions', () => {
    assert.deepEqual(told({ instructions: 'Be brief.' }).messages, [{ role: 'system', content: 'Be brief.' }, user]);
  });

  it('of messages keeps their roles, texts and pictures', () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const parts = [
      { type: 'input_text', text: 'What is it?' },
      { type: 'input_image', image_url: url, detail: 'low' },
      { type: 'input_image', image_url: url, detail: 'auto' },
      { type: 'input_file', file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'a.pdf' },
    ];
    assert.deepEqual(
      messages(
        { role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] },
        { type: 'message', role: 'user', content: parts },
        said('A cat.'),
        user,
      ),
      [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url, detail: 'low' } },
            { type: 'image_url', image_url: { url } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'a.pdf' } },
          ],
        },
        { role: 'assistant', content: 'A cat.' },
        user,
      ],
    );
  });

  it('keeps what a model refused as what it said', () => {
    const refusal = { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] };
    assert.deepEqual(messages(user, refusal, user)[1], { role: 'assistant', content: 'No.' });
  });

  it('makes one message of the text and the calls of one answer, in whichever order, and one of each answer', () => {
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'c2VhbA==' };
    const both = { role: 'assistant', content: 'I look.', tool_calls: [called('a'), called('b')] };
    const results = [result('a'), result('b')];
    const outputs = [output('a'), output('b')];
    assert.deepEqual(messages(user, reasoning, said('I look.'), call('a'), call('b'), ...outputs), [
      user,
      both,
      ...results,
    ]);
    assert.deepEqual(messages(user, call('a'), said('I look.'), call('b'), ...outputs), [user, both, ...results]);
    assert.deepEqual(messages(user, call('a'), output('a'), reasoning, call('b'), output('b'), said('It is sunny.')), [
      user,
      { role: 'assistant', content: null, tool_calls: [called('a')] },
      result('a'),
      { role: 'assistant', content: null, tool_calls: [called('b')] },
      result('b'),
      { role: 'assistant', content: 'It is sunny.' },
    ]);
    assert.deepEqual(messages(said('One.'), said('Two.')), [
      { role: 'assistant', content: 'One.' },
      { role: 'assistant', content: 'Two.' },
    ]);
  });

  it('may hold a result in parts', () => {
    const parts = [
      { type: 'input_text', text: 'sunny' },
      { type: 'input_image', image_url: 'https://example.org/sun.png' },
    ];
    assert.deepEqual(messages(call('a'), { ...output('a'), output: parts })[1], {
      role: 'tool',
      tool_call_id: 'a',
      content: [
        { type: 'text', text: 'sunny' },
        { type: 'image_url', image_url: { url: 'https://example.org/sun.png' } },
      ],
    });
  });
});

describe('a field', () => {
  it('has its word in a chat', () => {
    const parameters = { type: 'object', properties: {} };
    const schema = { type: 'object' };
    assert.deepEqual(
      told({
        stream: true,
        temperature: 0.2,
        top_p: 0.9,
        max_output_tokens: 50,
        parallel_tool_calls: false,
        service_tier: 'flex',
        prompt_cache_key: 'k',
        safety_identifier: 's',
        user: 'u',
        tools: [{ type: 'function', name: 'weather', description: 'd', parameters, strict: null }],
        tool_choice: { type: 'function', name: 'weather' },
        text: { format: { type: 'json_schema', name: 'place', schema, strict: true }, verbosity: 'low' },
        reasoning: { effort: 'low', summary: 'auto' },
      }),
      {
        model: 'm',
        messages: [user],
        stream: true,
        stream_options: { include_usage: true },
        temperature: 0.2,
        top_p: 0.9,
        max_completion_tokens: 50,
        parallel_tool_calls: false,
        service_tier: 'flex',
        prompt_cache_key: 'k',
        safety_identifier: 's',
        user: 'u',
        tools: [{ type: 'function', function: { name: 'weather', description: 'd', parameters } }],
        tool_choice: { type: 'function', function: { name: 'weather' } },
        response_format: { type: 'json_schema', json_schema: { name: 'place', schema, strict: true } },
        verbosity: 'low',
        reasoning_effort: 'low',
      },
    );
    assert.deepEqual(told({ text: { format: { type: 'json_object' } } })['response_format'], { type: 'json_object' });
    assert.equal(told({ tool_choice: 'required' })['tool_choice'], 'required');
  });

  it('that says nothing to a model is taken and not told, one that nobody knows is told as it came', () => {
    const asked = told({
      store: true,
      include: ['reasoning.encrypted_content'],
      metadata: { a: 'b' },
      truncation: 'disabled',
      stream: false,
      stream_options: { include_obfuscation: false },
      max_tool_calls: 3,
      background: false,
      previous_response_id: null,
      top_logprobs: 0,
      temperature: null,
      tools: [],
      text: { format: { type: 'text' } },
      seed: 7,
      vendor_field: { deep: [1] },
    });
    assert.deepEqual(asked, { model: 'm', messages: [user], seed: 7, vendor_field: { deep: [1] } });
  });

  const tool = (fields: Json) => ({ tools: [{ type: 'function', name: 'w' }, fields] });
  const item = (fields: Json) => ({ input: [user, fields] });
  const REFUSED: readonly (readonly [param: string, words: RegExp, given: Json])[] = [
    ['previous_response_id', /send the whole input again/, { previous_response_id: 'resp_1' }],
    ['conversation', /\/api\/agents/, { conversation: { id: 'conv_1' } }],
    ['prompt', /instructions/, { prompt: { id: 'pmpt_1' } }],
    ['background', /stream/, { background: true }],
    ['truncation', /input/, { truncation: 'auto' }],
    ['context_management', /yourself/, { context_management: [{ type: 'compaction' }] }],
    ['top_logprobs', /chat\/completions/, { top_logprobs: 3 }],
    ['include', /chat\/completions/, { include: ['message.output_text.logprobs'] }],
    ['messages', /input/, { messages: [user] }],
    ['max_tokens', /max_output_tokens/, { max_tokens: 5 }],
    ['n', /several times/, { n: 2 }],
    ['tools[1].type', /"web_search".*use a function/, tool({ type: 'web_search' })],
    ['tools[1].type', /"mcp"/, tool({ type: 'mcp', server_label: 's' })],
    ['tools[1].defer_loading', /OpenAI/, tool({ type: 'function', name: 'v', defer_loading: true })],
    ['tool_choice', /required/, { tool_choice: { type: 'file_search' } }],
    ['text.format.type', /"grammar"/, { text: { format: { type: 'grammar' } } }],
    ['reasoning.mode', /OpenAI/, { reasoning: { mode: 'pro' } }],
    ['input', /nothing/, { input: [{ type: 'reasoning', summary: [] }] }],
    ['input[1].type', /send the item itself, .* store: false/, item({ type: 'item_reference', id: 'msg_1' })],
    ['input[1].type', /send the item itself/, item({ id: 'msg_1' })],
    ['input[1].type', /"web_search_call"/, item({ type: 'web_search_call', id: 'ws_1' })],
    ['input[1].role', /developer/, item({ role: 'tool', content: 'x' })],
    ['input[1].content', /text/, item({ role: 'user' })],
    ['input[1].content[0].type', /"input_audio"/, item({ role: 'user', content: [{ type: 'input_audio' }] })],
    ['input[1].content[0].type', /"output_text"/, item({ role: 'user', content: [{ type: 'output_text' }] })],
    [
      'input[1].content[0].file_id',
      /data URL/,
      item({ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }),
    ],
    ['input[1].content[0].file_url', /alone/, item({ role: 'user', content: [{ type: 'input_file', file_url: 'h' }] })],
    ['input[1].content[0].text', /text/, item({ role: 'user', content: [{ type: 'input_text', text: 5 }] })],
    ['input[1].call_id', /text/, item({ type: 'function_call', name: 'w', arguments: '{}' })],
    ['input[1].namespace', /alone/, item({ ...call('a'), namespace: 'n' })],
    ['input[1].output[0].type', /"input_file"/, item({ ...output('a'), output: [{ type: 'input_file' }] })],
  ];
  for (const [param, words, given] of REFUSED)
    it(`is refused by its name and place: ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => told(given),
        (error) => {
          assert.ok(error instanceof UpstreamFailure);
          assert.deepEqual([error.kind, error.body?.param], ['untranslatable', param]);
          assert.match(String(error.body?.message), words);
          return true;
        },
      );
    });
});
