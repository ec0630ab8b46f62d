/** Tool calls of other providers' streams as Anthropic's events, each a block of its own, however its upstream numbers it; and the other way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamError } from '#core/errors';
import type { ChatChunkChoice } from '#contract/chat';
import { CALLED, STREAMED_CALLS } from '../../../tests/helpers/streamed-calls.ts';
import type { Json } from '../json.ts';
import { JSON_TOOL } from './request.ts';
import { FromChunks } from './events.ts';
import { ToChunks } from './stream.ts';

type ChatDelta = ChatChunkChoice['delta'];

interface Block {
  readonly name: unknown;
  arguments: string;
}

function blocksOf(events: readonly Json[]): Block[] {
  const blocks: Block[] = [];
  for (const { type, index, content_block: begun, delta } of events) {
    if (type === 'content_block_start') {
      assert.equal(index, blocks.length);
      blocks.push({ name: Object(begun).name, arguments: '' });
    }
    const block = blocks.at(-1);
    if (type === 'content_block_delta' && block !== undefined) block.arguments += String(Object(delta).partial_json);
  }
  return blocks;
}

describe('the tool calls of a stream are a block each', () => {
  for (const [way, chunks] of Object.entries(STREAMED_CALLS))
    it(`where they come ${way}`, () => {
      const writer = new FromChunks();
      const frame = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
      const events = chunks.flatMap((calls) =>
        writer.read({ ...frame, choices: [{ index: 0, delta: { tool_calls: calls } }] }),
      );
      assert.deepEqual(blocksOf([...events, ...writer.end()]), CALLED);
    });

  it('and one that is gone on with after something else was said is no answer', () => {
    const writer = new FromChunks();
    const frame = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
    const says = (delta: ChatDelta) => writer.read({ ...frame, choices: [{ index: 0, delta }] });
    says({ tool_calls: [{ index: 0, id: 'a', function: { name: 'one', arguments: '{"x":' } }] });
    says({ content: 'By the way' });
    assert.throws(() => says({ tool_calls: [{ index: 0, function: { arguments: '1}' } }] }), UpstreamError);
  });
});

describe('a tool call that is begun with its arguments', () => {
  for (const [name, told] of [
    ['one', [{ index: 0, function: { arguments: '{"x":1}' } }]],
    [JSON_TOOL, '{"x":1}'],
  ] as const)
    it(`keeps them where no others come: ${name}`, () => {
      const reader = new ToChunks(1, false);
      const read = (event: Json) => reader.read(JSON.stringify(event));
      read({ type: 'message_start', message: { id: 'm', model: 'x' } });
      read({ type: 'content_block_start', content_block: { type: 'tool_use', id: 'a', name, input: { x: 1 } } });
      const [chunk] = read({ type: 'content_block_stop' });
      const { content, tool_calls: calls } = Object(Object(chunk).choices[0].delta);
      assert.deepEqual(content ?? calls, told);
    });
});
