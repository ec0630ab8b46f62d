/** A whole answer as a Response: its items, how it ended, what it used, and what it repeats of its request. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatCompletion } from '#contract/chat';
import type { Json } from '../json.ts';
import { fromCompletion, responseTo } from './answer.ts';

const ASKED = { model: 'asked', input: 'Are you well?' };

function answered(message: Json, finish: string | null = 'stop', fields: Json = {}, asked: Json = {}): Json {
  const completion: ChatCompletion = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 7,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finish }],
    ...fields,
  };
  return fromCompletion(completion, responseTo({ ...ASKED, ...asked }, 'resp_1'));
}

const calls = ['a', ''].map((id) => ({ id, type: 'function', function: { name: 'w', arguments: '{"x":1}' } }));

describe('an answer', () => {
  it('holds what was said, refused and called, each item with an id of its own', () => {
    const {
      output,
      status,
      id,
      model,
      created_at: created,
    } = answered({ content: 'I look.', refusal: 'Not there.', tool_calls: calls }, 'tool_calls');
    assert.deepEqual([status, id, model, created], ['completed', 'resp_1', 'm', 7]);
    assert.deepEqual(output, [
      {
        id: 'msg_1_0',
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'I look.', annotations: [], logprobs: [] },
          { type: 'refusal', refusal: 'Not there.' },
        ],
      },
      { id: 'fc_1_1', type: 'function_call', status: 'completed', call_id: 'a', name: 'w', arguments: '{"x":1}' },
      { id: 'fc_1_2', type: 'function_call', status: 'completed', call_id: 'fc_1_2', name: 'w', arguments: '{"x":1}' },
    ]);
  });

  it('holds what is seen of the thinking before all else, in either word that providers have for it', () => {
    for (const word of ['reasoning_content', 'reasoning']) {
      const { output } = answered({ [word]: 'Hm.', content: 'Yes.' }, 'length');
      const summary = [{ type: 'summary_text', text: 'Hm.' }];
      assert.partialDeepStrictEqual(output, [
        { id: 'rs_1_0', type: 'reasoning', status: 'completed', summary },
        { id: 'msg_1_1', type: 'message', status: 'incomplete' },
      ]);
    }
    assert.partialDeepStrictEqual(answered({ reasoning_content: 'Hm' }, 'length')['output'], [
      { status: 'incomplete' },
    ]);
  });

  for (const [finish, reason] of [
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
    ['error', 'error'],
    ['pause_turn', 'pause_turn'],
    [null, 'unknown'],
  ] as const)
    it(`that ended with ${finish} is incomplete, and so is its last item`, () => {
      const { status, incomplete_details: details, output } = answered({ content: 'Half' }, finish);
      assert.deepEqual([status, details], ['incomplete', { reason }]);
      assert.partialDeepStrictEqual(output, [{ status: 'incomplete' }]);
      const { output: items } = answered({ content: 'I look.', tool_calls: calls.slice(0, 1) }, finish);
      assert.partialDeepStrictEqual(items, [{ status: 'completed' }, { type: 'function_call', status: 'incomplete' }]);
    });

  it('tells what was used, and null where nobody said', () => {
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 5,
      total_tokens: 14,
      prompt_tokens_details: { cached_tokens: 4, cache_creation_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 3 },
    };
    assert.deepEqual(answered({}, 'stop', { usage })['usage'], {
      input_tokens: 9,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 14,
    });
    assert.equal(answered({}, 'stop', { usage: null })['usage'], null);
  });

  it('repeats its request, as far as it is OpenAI’s to repeat it, and never says that it is kept', () => {
    const tool = { type: 'function', name: 'w' };
    const asked = {
      instructions: 'Be brief.',
      store: true,
      metadata: { a: 'b' },
      temperature: 0.5,
      max_output_tokens: 9,
      tools: [tool],
      tool_choice: 'required',
      parallel_tool_calls: false,
      reasoning: { effort: 'low' },
      text: { verbosity: 'low' },
    };
    const { tools, ...echoed } = asked;
    assert.partialDeepStrictEqual(answered({}, 'stop', {}, asked), {
      ...echoed,
      store: false,
      tools: [{ ...tool, strict: null, parameters: null }],
      text: { format: { type: 'text' }, verbosity: 'low' },
      reasoning: { effort: 'low', summary: null },
      truncation: 'disabled',
      error: null,
    });
    assert.equal(tools.length, 1);
    assert.equal(
      answered({}, 'stop', { service_tier: 'default' }, { service_tier: 'auto' })['service_tier'],
      'default',
    );
  });
});
