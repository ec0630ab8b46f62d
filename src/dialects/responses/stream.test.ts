/** The events of a streamed answer: their order, their numbers, and that OpenAI's own reader of them puts the whole answer together. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatChunk } from '#contract/chat';
import { CALLED, STREAMED_CALLS } from '../../../tests/helpers/streamed-calls.ts';
import type { Json } from '../json.ts';
import { fromCompletion, responseTo } from './answer.ts';
import { FromChunks } from './stream.ts';

const FRAME = { id: 'c', object: 'chat.completion.chunk', created: 7, model: 'm' };
const begun = () => responseTo({ model: 'asked', input: 'Well?' }, 'resp_1');

function chunk(delta: Json, finish: string | null = null): ChatChunk {
  return { ...FRAME, choices: [{ index: 0, delta, finish_reason: finish }] };
}

/** All events of these chunks, held against what every stream promises. */
function told(...chunks: ChatChunk[]): Json[] {
  const writer = new FromChunks(begun());
  return assertOrdered([...chunks.flatMap((one) => writer.read(one)), ...writer.end()]);
}

function assertOrdered(events: Json[]): Json[] {
  assert.deepEqual(
    events.map(({ sequence_number: number }) => number),
    [...events.keys()],
  );
  assert.deepEqual(names(events.slice(0, 2)), ['created', 'in_progress']);
  const open = new Set<unknown>();
  for (const { type, output_index: place, item_id: id, item } of events) {
    const itemId: unknown = id ?? Object(item).id;
    if (type === 'response.output_item.added') assert.ok(!open.has(itemId), 'an item begins once');
    if (type === 'response.output_item.added') open.add(itemId);
    else if (place !== undefined) assert.ok(open.has(itemId), `${String(type)} is of an open item`);
    if (type === 'response.output_item.done') open.delete(itemId);
  }
  assert.equal(open.size, 0, 'every item ended');
  return events;
}

const names = (events: readonly Json[]) => events.map(({ type }) => String(type).replace('response.', ''));
const last = (events: readonly Json[]): Json => Object(events.at(-1)?.['response']);
const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };

describe('a stream', () => {
  it('of a text has OpenAI’s events in their order, and its last one is the whole answer', () => {
    const events = told(
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'All is' }),
      chunk({ content: ' well.' }),
      chunk({}, 'stop'),
      { ...FRAME, choices: [], usage },
    );
    assert.deepEqual(names(events), [
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
    const message = { role: 'assistant', content: 'All is well.' };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    assert.deepEqual(last(events), fromCompletion({ ...FRAME, choices, usage }, begun()));
  });

  it('of a text, a refusal and calls holds all of them, the text ended before the calls', () => {
    const piece = { index: 0, id: 'a', function: { name: 'w', arguments: '{}' } };
    const events = told(
      chunk({ content: 'I look.' }),
      chunk({ refusal: 'Not there.' }),
      chunk({ tool_calls: [piece] }),
      chunk({}, 'length'),
    );
    assert.deepEqual(names(events).slice(2), [
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'content_part.added',
      'refusal.delta',
      'refusal.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'incomplete',
    ]);
    assert.partialDeepStrictEqual(last(events), {
      incomplete_details: { reason: 'max_output_tokens' },
      output: [
        { type: 'message', status: 'completed', content: [{ type: 'output_text' }, { refusal: 'Not there.' }] },
        { type: 'function_call', status: 'incomplete', call_id: 'a', arguments: '{}' },
      ],
    });
  });

  it('of thinking, a text and calls tells each in its turn, and ends as the plain answer is', () => {
    const call = { id: 'a', type: 'function', function: { name: 'w', arguments: '{}' } };
    const events = told(
      chunk({ reasoning_content: 'Hm' }),
      chunk({ reasoning_content: '.' }),
      chunk({ content: 'I look.' }),
      chunk({ tool_calls: [{ index: 0, ...call }] }),
      chunk({}, 'tool_calls'),
    );
    assert.deepEqual(names(events).slice(2, 10), [
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
    ]);
    const message = { role: 'assistant', reasoning_content: 'Hm.', content: 'I look.', tool_calls: [call] };
    const choices = [{ index: 0, message, finish_reason: 'tool_calls' }];
    assert.deepEqual(last(events), fromCompletion({ ...FRAME, choices }, begun()));
  });

  it('of thinking by turns with texts and calls ends each before the next begins', () => {
    const call = (index: number, id: string) =>
      chunk({ tool_calls: [{ index, id, function: { name: 'w', arguments: '{}' } }] });
    const events = told(
      chunk({ reasoning_content: 'One.' }),
      call(0, 'a'),
      chunk({ content: 'I look.' }),
      chunk({ reasoning_content: 'Two.' }),
      call(1, 'b'),
      chunk({}, 'length'),
    );
    const items = names(events).filter((name) => name.startsWith('output_item'));
    const [added, done] = ['output_item.added', 'output_item.done'];
    // Calls alone stay open: their pieces may come by turns.
    assert.deepEqual(items, [added, done, added, added, done, added, done, added, done, done]);
    assert.partialDeepStrictEqual(last(events)['output'], [
      { type: 'reasoning', status: 'completed' },
      { type: 'function_call', status: 'incomplete', call_id: 'a' },
      { type: 'message', status: 'completed' },
      { type: 'reasoning', status: 'completed' },
      { type: 'function_call', status: 'incomplete', call_id: 'b' },
    ]);
  });

  it('that stops while it thinks holds the thought as incomplete', () => {
    const events = told(chunk({ reasoning: 'Hm' }), chunk({}, 'length'));
    assert.partialDeepStrictEqual(last(events)['output'], [{ type: 'reasoning', status: 'incomplete' }]);
  });

  for (const [way, chunks] of Object.entries(STREAMED_CALLS))
    it(`of tool calls ${way} has an item each`, () => {
      const events = told(...chunks.map((calls) => chunk({ tool_calls: calls })), chunk({}, 'tool_calls'));
      const items: Json[] = Object(last(events))['output'];
      assert.deepEqual(
        items.map(({ name, arguments: text }) => ({ name, arguments: text })),
        CALLED,
      );
      assert.equal(new Set(items.map(({ call_id: id }) => id)).size, CALLED.length);
      const deltas = events.filter(({ type }) => type === 'response.function_call_arguments.delta');
      for (const { id, arguments: text } of items)
        assert.equal(deltas.flatMap(({ item_id: of, delta }) => (of === id ? [delta] : [])).join(''), text);
    });

  it('of tool calls whose pieces come by turns keeps them apart', () => {
    const piece = (index: number, text: string, more: Json = {}) =>
      chunk({ tool_calls: [{ index, ...more, function: { ...(more['id'] ? { name: 'w' } : {}), arguments: text } }] });
    const events = told(
      piece(0, '', { id: 'a' }),
      piece(1, '{"y"', { id: 'b' }),
      piece(0, '{"x"'),
      piece(1, ':2}'),
      piece(0, ':1}'),
      chunk({}, 'tool_calls'),
    );
    assert.partialDeepStrictEqual(last(events), {
      output: [
        { call_id: 'b', arguments: '{"y":2}' },
        { call_id: 'a', arguments: '{"x":1}' },
      ],
    });
  });

  it('that fails is never completed, and holds no call that was still being made', () => {
    const writer = new FromChunks(begun());
    const piece = { index: 0, id: 'a', function: { name: 'w', arguments: '{"x"' } };
    const error = { message: 'It was cut.', type: 'upstream_error', param: null, code: 'upstream_cut' };
    const before = [...writer.read(chunk({ content: 'I look.' })), ...writer.read(chunk({ tool_calls: [piece] }))];
    const events = writer.fail(error);
    assert.deepEqual(names(events), ['failed', 'error']);
    assert.deepEqual(
      events.map(({ sequence_number: number }) => number),
      [before.length, before.length + 1],
    );
    assert.partialDeepStrictEqual(events[0]?.['response'], {
      id: 'resp_1',
      status: 'failed',
      error: { code: 'server_error', message: 'It was cut.' },
    });
    const failed: Json = Object(events[0]?.['response']);
    assert.partialDeepStrictEqual(failed['output'], [{ type: 'message', status: 'completed' }]);
    assert.equal(Object(failed['output']).length, 1);
    assert.deepEqual(events[1], {
      type: 'error',
      sequence_number: before.length + 1,
      code: 'upstream_cut',
      message: 'It was cut.',
      param: null,
      error,
    });
  });

  it('that fails before it began is an error alone', () => {
    const error = { message: 'Slow down.', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' };
    assert.deepEqual(names(new FromChunks(begun()).fail(error)), ['error']);
  });
});
