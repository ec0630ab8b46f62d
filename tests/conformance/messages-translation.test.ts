/**
 * Both translations of the Messages API against each other, over random conversations: the surface's (Messages to chat) in `src/http`
 * and the provider's (chat to Messages) in `src/providers`. What goes through both is what it was, wherever it began, and an answer
 * is the same whether it came whole or in pieces.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { ChatChunk, ChatCompletion, ChatMessage } from '#contract/chat';
import { messageOf } from '#http/messages/answer';
import { MessageEvents } from '#http/messages/events';
import type { MessageEvent } from '#http/messages/events';
import { chatRequest } from '#http/messages/request';
import { completionOf } from '#providers/anthropic/answer';
import { messageEvents } from '#providers/anthropic/events';
import { messagesRequest } from '#providers/anthropic/request';

type Fields = Record<string, unknown>;

const SEEDS = 300;
const WORDS = ['Bern', 'Grüezi', '日本', '🏔️ up', '{"a":1}', 'line\nbreak', '  spaced', '"quoted"', '\\', 'data: x'];

/** Draws the parts of a conversation. */
class Draw {
  readonly #random;
  #ids = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  maybe(): boolean {
    return this.below(2) === 0;
  }

  one<T>(...values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }

  some<T>(from: number, to: number, make: () => T): T[] {
    return Array.from({ length: from + this.below(to - from + 1) }, make);
  }

  text(): string {
    return this.some(1, 3, () => WORDS[this.below(WORDS.length)]).join(' ');
  }

  id(prefix: string): string {
    return `${prefix}_${this.#ids++}`;
  }

  input(): Fields {
    return Object.fromEntries(
      this.some(0, 3, () => [this.text(), this.one<unknown>(this.text(), 1.5, null, [true], { a: 'b' })]),
    );
  }

  marked(block: Fields): Fields {
    return this.below(5) === 0 ? { ...block, cache_control: { type: 'ephemeral' } } : block;
  }

  /** Some of the fields. */
  fields(all: Fields): Fields {
    return Object.fromEntries(Object.entries(all).filter(() => this.maybe()));
  }
}

const textBlock = (draw: Draw): Fields => ({ type: 'text', text: draw.text() });
const thinkingBlock = (draw: Draw): Fields =>
  draw.one<Fields>(
    { type: 'thinking', thinking: draw.text(), signature: 'c2ln' },
    { type: 'redacted_thinking', data: 'c2VhbA' },
  );

/** A conversation in turns, as a client of Anthropic's writes it: an answer with calls, then its results first. */
function anthropicRequest(draw: Draw): Fields {
  const image = (): Fields => ({
    type: 'image',
    source: draw.one<Fields>(
      { type: 'base64', media_type: 'image/png', data: 'aGk=' },
      { type: 'url', url: 'https://h/a.png' },
    ),
  });
  const userBlock = (): Fields => draw.marked(draw.maybe() ? textBlock(draw) : image());
  const messages: Fields[] = [];
  let calls: string[] = [];
  for (let turn = 1 + draw.below(4); turn > 0; turn--) {
    const results = calls.map((id) =>
      draw.marked({
        type: 'tool_result',
        tool_use_id: id,
        content: draw.maybe() ? draw.text() : draw.some(1, 2, userBlock),
      }),
    );
    const asked = results.length > 0 || draw.maybe();
    const said = draw.some(asked && results.length > 0 ? 0 : 1, 2, userBlock);
    messages.push({ role: 'user', content: asked ? [...results, ...said] : draw.text() });
    calls = draw.some(0, 2, () => draw.id('toolu'));
    const uses = calls.map((id) => draw.marked({ type: 'tool_use', id, name: 'weather', input: draw.input() }));
    const answer = [
      ...draw.some(0, 1, () => thinkingBlock(draw)),
      ...draw.some(uses.length > 0 ? 0 : 1, 2, () => draw.marked(textBlock(draw))),
      ...uses,
    ];
    messages.push({ role: 'assistant', content: uses.length > 0 || draw.maybe() ? answer : draw.text() });
  }
  messages.push({
    role: 'user',
    content: [...calls.map((id) => ({ type: 'tool_result', tool_use_id: id, content: draw.text() })), textBlock(draw)],
  });
  const tool = {
    ...draw.fields({ description: draw.text(), strict: true }),
    name: 'weather',
    input_schema: { type: 'object' },
  };
  const choice = draw.one<Fields>({ type: 'auto' }, { type: 'any' }, { type: 'tool', name: 'weather' });
  const config = draw.fields({
    effort: draw.one('low', 'max'),
    format: { type: 'json_schema', schema: { type: 'object' } },
  });
  return {
    model: 'm',
    max_tokens: 1 + draw.below(9),
    messages,
    stream: draw.maybe(),
    ...draw.fields({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 3,
      stop_sequences: [draw.text()],
      metadata: { user_id: 'u' },
    }),
    ...draw.fields({
      system: draw.one<unknown>(
        draw.text(),
        draw.some(1, 2, () => draw.marked(textBlock(draw))),
      ),
    }),
    ...draw.fields({ thinking: draw.one({ type: 'adaptive' }, { type: 'disabled' }) }),
    ...(draw.maybe()
      ? {
          tools: [draw.marked(tool)],
          tool_choice: draw.one(choice, {
            ...choice,
            disable_parallel_tool_use: true,
          }),
        }
      : {}),
    ...(Object.keys(config).length > 0 ? { output_config: config } : {}),
  };
}

/** A conversation in the hub's own form, in what both protocols can hold. */
function openaiRequest(draw: Draw): Fields & { model: string; messages: ChatMessage[] } {
  const image = (): Fields => ({
    type: 'image_url',
    image_url: { url: draw.one('data:image/webp;base64,aGk=', 'https://h/a.png') },
  });
  const part = (): Fields => draw.marked(draw.maybe() ? textBlock(draw) : image());
  const messages: ChatMessage[] = draw.maybe()
    ? [{ role: 'system', content: draw.one<string | Fields[]>(draw.text(), [textBlock(draw)]) }]
    : [];
  for (let turn = 1 + draw.below(4); turn > 0; turn--) {
    messages.push({ role: 'user', content: draw.maybe() ? draw.text() : [textBlock(draw), ...draw.some(1, 2, part)] });
    const ids = draw.some(0, 2, () => draw.id('call'));
    const calls = ids.map((id) => ({
      id,
      type: 'function',
      function: {
        name: 'weather',
        arguments: JSON.stringify(draw.input()),
      },
    }));
    const content = calls.length > 0 ? draw.one<string | null>(null, draw.text()) : draw.text();
    messages.push({ role: 'assistant', content, ...(calls.length > 0 ? { tool_calls: calls } : {}) });
    for (const id of ids)
      messages.push({ role: 'tool', tool_call_id: id, content: draw.maybe() ? draw.text() : [part()] });
  }
  messages.push({ role: 'user', content: draw.text() });
  const named = { type: 'function', function: { name: 'weather' } };
  const format = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: { type: 'object' } } };
  return {
    model: 'm',
    messages,
    max_completion_tokens: 1 + draw.below(9),
    ...draw.fields({
      temperature: 1,
      top_p: 0.1,
      top_k: 9,
      stop: [draw.text()],
      user: 'u',
      reasoning_effort: 'high',
    }),
    ...draw.fields({
      response_format: format,
      thinking: { type: 'adaptive' },
    }),
    ...(draw.maybe()
      ? {
          stream: true,
          stream_options: { include_usage: true },
        }
      : {}),
    ...(draw.maybe()
      ? {
          tools: [
            {
              type: 'function',
              function: {
                name: 'weather',
                parameters: { type: 'object' },
                ...draw.fields({ strict: true }),
              },
            },
          ],
          tool_choice: draw.one<unknown>('auto', 'required', named),
          ...draw.fields({ parallel_tool_calls: false }),
        }
      : {}),
  };
}

/** A whole answer, in the order in which Anthropic writes one. */
function anthropicAnswer(draw: Draw): Fields {
  const uses = draw.some(0, 3, () => ({
    type: 'tool_use',
    id: draw.id('toolu'),
    name: 'weather',
    input: draw.input(),
  }));
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    stop_sequence: null,
    content: [...draw.some(0, 2, () => thinkingBlock(draw)), ...draw.some(0, 1, () => textBlock(draw)), ...uses],
    stop_reason: draw.one('end_turn', 'max_tokens', 'tool_use', 'refusal'),
    usage: ({
	input_tokens: draw.below(99),
	cache_creation_input_tokens: draw.below(99),
	...{
		cache_read_input_tokens: draw.below(99),
		output_tokens: draw.below(99)
	}
}),
  };
}

const throughHub = (message: Fields): ChatCompletion => completionOf(Buffer.from(JSON.stringify(message)), 200, 1);

/** The answer cut into the events of a stream, at random places. */
function eventsOf(draw: Draw, { content, stop_reason, usage, ...message }: Fields): MessageEvent[] {
  const events: MessageEvent[] = [
    { type: 'message_start', message: { ...message, content: [], usage: { ...Object(usage), output_tokens: 0 } } },
  ];
  const blocks: Fields[] = Array.isArray(content) ? content : [];
  for (const [index, block] of blocks.entries()) {
    const piece = (delta: Fields): unknown => events.push({ type: 'content_block_delta', index, delta });
    const { type, text, thinking, signature, input } = block;
    const begun = {
      text: { type, text: '' },
      thinking: { type, thinking: '', signature: '' },
      tool_use: { ...block, input: {} },
    };
    events.push({
      type: 'content_block_start',
      index,
      content_block: Object.hasOwn(begun, String(type)) ? Object(begun)[String(type)] : block,
    });
    if (type === 'text') for (const part of pieces(draw, String(text))) piece({ type: 'text_delta', text: part });
    if (type === 'thinking')
      for (const part of pieces(draw, String(thinking))) piece({ type: 'thinking_delta', thinking: part });
    if (type === 'thinking') piece({ type: 'signature_delta', signature });
    if (type === 'tool_use' && Object.keys(Object(input)).length > 0)
      for (const part of pieces(draw, JSON.stringify(input))) piece({ type: 'input_json_delta', partial_json: part });
    events.push({ type: 'content_block_stop', index });
    if (draw.maybe()) events.push({ type: 'ping' });
  }
  const counts = { output_tokens: Object(usage).output_tokens };
  return [
    ...events,
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: counts },
    { type: 'message_stop' },
  ];
}

function pieces(draw: Draw, text: string): string[] {
  const at = draw.below(text.length);
  return [text.slice(0, at), text.slice(at)];
}

/** The message that a client puts together out of the events, as Anthropic's own do. */
function assembled(events: readonly MessageEvent[]): Fields {
  let message: Fields = {};
  const blocks: Fields[] = [];
  const open = new Set<unknown>();
  for (const event of events) {
    const at = Number(event['index']);
    const delta: Fields = Object(event['delta']);
    if (event.type === 'message_start') message = Object(event['message']);
    if (event.type === 'content_block_start') {
      assert.equal(at, blocks.length, 'blocks come in their order');
      assert.equal(open.size, 0, 'one block at a time');
      open.add(at);
      blocks.push({ ...Object(event['content_block']), json: '' });
    }
    if (event.type === 'content_block_delta') {
      assert.ok(open.has(at), 'a piece belongs to an open block');
      const block: Fields = blocks[at] ?? {};
      if (delta['type'] === 'text_delta') block['text'] = String(block['text']) + String(delta['text']);
      if (delta['type'] === 'thinking_delta') block['thinking'] = String(block['thinking']) + String(delta['thinking']);
      if (delta['type'] === 'signature_delta') block['signature'] = delta['signature'];
      if (delta['type'] === 'input_json_delta') block['json'] = String(block['json']) + String(delta['partial_json']);
    }
    if (event.type === 'content_block_stop') assert.ok(open.delete(at), 'a block ends once');
    if (event.type === 'message_delta')
      message = { ...message, ...delta, usage: { ...Object(message['usage']), ...Object(event['usage']) } };
  }
  assert.equal(open.size, 0, 'every block ended');
  assert.equal(events.at(-1)?.type, 'message_stop');
  const content = blocks.map(({ json, ...block }) =>
    json === '' ? block : { ...block, input: JSON.parse(String(json)) },
  );
  return { ...message, content };
}

function chunksOf(events: readonly MessageEvent[]): ChatChunk[] {
  const read = messageEvents(1, true);
  return events.flatMap((event) => {
    const meant = read(JSON.stringify(event));
    return meant === 'end'
      ? []
      : [meant].flat().map(({ chunk, data }) => {
          assert.deepEqual(JSON.parse(data), chunk);
          return chunk;
        });
  });
}

function forEachSeed(check: (draw: Draw) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      check(new Draw(seed));
    } catch (error) {
      throw new Error(`with the seed ${seed}`, { cause: error });
    }
  }
}

describe('a request', () => {
  it('of the Messages API is the same after it was a chat', () => {
    forEachSeed((draw) => {
      const request = anthropicRequest(draw);
      const options = { model: 'm', stream: request['stream'] === true, maxTokensDefault: 1, prefill: true };
      assert.deepEqual(messagesRequest(chatRequest(request), options), request);
    });
  });

  it('of a chat is the same after it was one of the Messages API', () => {
    forEachSeed((draw) => {
      const request = openaiRequest(draw);
      const options = { model: 'm', stream: request['stream'] === true, maxTokensDefault: 1, prefill: true };
      assert.deepEqual(chatRequest(messagesRequest(request, options)), request);
    });
  });
});

describe('an answer', () => {
  it('of the Messages API is the same after it was a completion', () => {
    forEachSeed((draw) => {
      const answer = anthropicAnswer(draw);
      assert.deepEqual(messageOf(throughHub(answer)), answer);
    });
  });

  it('that is a completion is the same after it was a message', () => {
    forEachSeed((draw) => {
      const completion = throughHub(anthropicAnswer(draw));
      assert.deepEqual(throughHub(messageOf(completion)), completion);
    });
  });

  it('that is streamed is the same after it was chunks', () => {
    forEachSeed((draw) => {
      const answer = anthropicAnswer(draw);
      const events = eventsOf(draw, answer);
      assert.deepEqual(assembled(events), answer, 'the script is sound');
      const writer = new MessageEvents();
      const after = chunksOf(events).flatMap((chunk) => writer.push(chunk));
      assert.deepEqual(assembled([...after, ...writer.end()]), answer);
    });
  });
});
