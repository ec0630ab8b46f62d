/** How much is to be thought, and what has no word in OpenAI's form, from the Messages API to an upstream of that form. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamFailure } from '#contract/provider';
import type { Json } from '../json.ts';
import { inOpenAiForm } from './openai-form.ts';
import { fromMessagesRequest, toMessagesRequest } from './request.ts';

const asked = (fields: Json) =>
  fromMessagesRequest({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Well?' }], ...fields });
const enabled = (budget: number) => ({ thinking: { type: 'enabled', budget_tokens: budget } });
const effort = (word: string) => ({ output_config: { effort: word } });

describe('a request of the Messages API in OpenAI’s form', () => {
  for (const [fields, told] of [
    [{}, undefined],
    [enabled(1_024), 'low'],
    [enabled(4_096), 'medium'],
    [enabled(31_999), 'high'],
    [{ thinking: { type: 'adaptive' } }, undefined],
    [{ thinking: { type: 'disabled' }, ...effort('high') }, undefined],
    [{ thinking: { type: 'adaptive' }, ...effort('low') }, 'low'],
    [{ ...enabled(1_024), ...effort('max') }, 'high'],
    [effort('medium'), 'medium'],
  ] as const)
    it(`thinks as much as it was asked to: ${JSON.stringify(fields)}`, () => {
      const request = asked(fields);
      const words = inOpenAiForm(request);
      assert.equal(words['reasoning_effort'], told);
      for (const name of ['thinking', 'output_config']) assert.ok(!(name in words));
      assert.partialDeepStrictEqual(toMessagesRequest(request, 'm', 1), fields, 'Anthropic itself is told as before');
    });

  it('keeps a schema beside an effort, for either side', () => {
    const schema = { type: 'object', properties: {} };
    const output_config = { format: { type: 'json_schema', schema }, effort: 'low' };
    const request = asked({ output_config });
    assert.deepEqual(toMessagesRequest(request, 'm', 1)['output_config'], output_config);
    const { response_format: format, reasoning_effort: told } = inOpenAiForm(request);
    assert.deepEqual([format, told], [{ type: 'json_schema', json_schema: { name: 'answer', schema } }, 'low']);
  });

  it('holds a document of text as text, and one that is to be fetched is refused', () => {
    const document = (source: Json, more: Json = {}) => ({ type: 'document', source, ...more });
    const messages = (...content: Json[]) => ({ messages: [{ role: 'user', content }] });
    const texts = messages(
      document({ type: 'text', media_type: 'text/plain', data: 'Grüezi.' }, { title: 'a.txt' }),
      document({ type: 'text', media_type: 'text/plain', data: 'Bern.' }),
    );
    const [told] = inOpenAiForm(asked(texts)).messages;
    assert.deepEqual(
      told?.content,
      ['a.txt\n\nGrüezi.', 'Bern.'].map((text) => ({ type: 'text', text })),
    );
    const fetched = messages(document({ type: 'url', url: 'https://example.com/a.pdf' }, { title: 'a.pdf' }));
    assert.throws(() => inOpenAiForm(asked(fetched)), UpstreamFailure);
    for (const fields of [texts, fetched])
      assert.partialDeepStrictEqual(
        toMessagesRequest(asked(fields), 'm', 1),
        fields,
        'Anthropic is told them as they are',
      );
  });

  it('is without what says nothing about the answer', () => {
    const unsaid = { cache_control: { type: 'ephemeral' }, context_management: { edits: [] }, speed: 'fast' };
    assert.deepEqual(inOpenAiForm(asked(unsaid)), inOpenAiForm(asked({})));
  });

  it('has of a tool what it is called and takes; Anthropic is told the rest as it is', () => {
    const tool = { name: 'w', description: 'Weather.', input_schema: { type: 'object' } };
    const own = { input_examples: [{}], eager_input_streaming: true, defer_loading: false, cache_control: {} };
    const request = asked({ tools: [{ ...tool, ...own, allowed_callers: null }] });
    assert.deepEqual(toMessagesRequest(request, 'm', 1)['tools'], [{ ...tool, ...own }]);
    const { name, description, input_schema: parameters } = tool;
    const { tools } = inOpenAiForm(request);
    assert.deepEqual(tools, [{ type: 'function', function: { name, description, parameters } }]);
  });

  it('keeps cache_control for a server that takes it, where that has a place for it', () => {
    const cache_control = { type: 'ephemeral' };
    const document = {
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'Bern.' },
      cache_control,
    };
    const use = { type: 'tool_use', id: 'a', name: 'w', input: {}, cache_control };
    const request = asked({
      cache_control,
      system: [{ type: 'text', text: 'Be brief.', cache_control }],
      tools: [{ name: 'w', input_schema: {}, cache_control }],
      messages: [
        { role: 'user', content: [document, { type: 'text', text: 'Well?' }] },
        { role: 'assistant', content: [use] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'Rain.', cache_control }] },
      ],
    });
    const told = inOpenAiForm(request, true);
    assert.deepEqual(told['cache_control'], cache_control);
    assert.partialDeepStrictEqual(told['tools'], [{ type: 'function', cache_control }]);
    assert.deepEqual(
      told.messages.map(({ content }) => content),
      [
        [{ type: 'text', text: 'Be brief.', cache_control }],
        [
          { type: 'text', text: 'Bern.', cache_control },
          { type: 'text', text: 'Well?' },
        ],
        null,
        [{ type: 'text', text: 'Rain.', cache_control }],
      ],
    );
    assert.doesNotMatch(JSON.stringify(inOpenAiForm(request)), /cache_control/);
  });

  it('may leave any field at null', () => {
    const names = ['thinking', 'service_tier', 'container', 'inference_geo', 'speed', 'cache_control', 'diagnostics'];
    assert.deepEqual(asked(Object.fromEntries(names.map((name) => [name, null]))), asked({}));
  });

  for (const name of ['container', 'mcp_servers', 'inference_geo'])
    it(`refuses what is Anthropic's own: ${name}`, () => {
      assert.throws(
        () => inOpenAiForm(asked({ [name]: 'x' })),
        (error) => error instanceof UpstreamFailure && error.body?.param === name,
      );
    });
});
