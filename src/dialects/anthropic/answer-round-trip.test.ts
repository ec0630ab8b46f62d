/**
 * An answer told to the hub and back is the same, whether it came whole or in pieces, cut at any place. From a seed; the client that puts
 * the pieces together also holds the events against their order.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { ChatChunk } from '#contract/chat';
import type { Json as Fields } from '../json.ts';
import { fromCompletion, fromUsage, toCompletion } from './answer.ts';
import { FromChunks } from './events.ts';
import { ToChunks } from './stream.ts';

type MessageEvent = Fields;

const SEEDS = 300;
const STOP = 'END';
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
}

const textBlock = (draw: Draw): Fields => ({ type: 'text', text: draw.text() });
const thinkingBlock = (draw: Draw): Fields =>
  draw.one<Fields>(
    { type: 'thinking', thinking: draw.text(), signature: 'c2ln' },
    { type: 'redacted_thinking', data: 'c2VhbA' },
  );

/** What OpenAI's form has no words for. */
const ownBlock = (draw: Draw): Fields =>
  draw.one<Fields>(
    { type: 'server_tool_use', id: draw.id('srvtoolu'), name: 'web_search', input: draw.input() },
    {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_0',
      content: [{ type: 'web_search_result', url: 'https://example.com', encrypted_content: draw.text() }],
    },
    { type: 'a_block_of_next_year', content: draw.text() },
    { ...textBlock(draw), citations: draw.some(1, 2, () => ({ type: 'char_location', cited_text: draw.text() })) },
  );

/** In any order, as where Anthropic's own tools take part or thoughts lie between calls. */
function mixed(draw: Draw, uses: readonly Fields[]): Fields[] {
  const blocks = [...uses, ...draw.some(0, 4, () => draw.one(ownBlock, textBlock, thinkingBlock)(draw))];
  return blocks
    .map((block) => ({ block, at: draw.below(100) }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ block }) => block);
}

/** A whole answer, in the order in which Anthropic writes one. */
function anthropicAnswer(draw: Draw): Fields {
  const uses = draw.some(0, 3, () => ({
    type: 'tool_use',
    id: draw.id('toolu'),
    name: 'weather',
    input: draw.input(),
    ...draw.one<Fields>({}, { caller: { type: 'code_execution_20260120', tool_id: 'srvtoolu_0' } }),
  }));
  const usual = [...draw.some(0, 2, () => thinkingBlock(draw)), ...draw.some(0, 1, () => textBlock(draw)), ...uses];
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: draw.maybe() ? usual : mixed(draw, uses),
    ...draw.one<Fields>({}, { container: { id: 'container_1', expires_at: '2026-01-01T00:00:00Z' } }),
    ...draw.one<Fields>(
      { stop_reason: uses.length === 0 ? 'end_turn' : 'tool_use', stop_sequence: null },
      { stop_reason: 'max_tokens', stop_sequence: null },
      { stop_reason: 'refusal', stop_sequence: null },
      uses.length === 0
        ? { stop_reason: 'stop_sequence', stop_sequence: STOP }
        : { stop_reason: 'tool_use', stop_sequence: null },
    ),
    usage: {
      input_tokens: 1 + draw.below(98),
      cache_creation_input_tokens: 1 + draw.below(98),
      cache_read_input_tokens: 1 + draw.below(98),
      output_tokens: 1 + draw.below(98),
      ...draw.one<Fields>({}, { server_tool_use: { web_search_requests: 1 } }),
    },
  };
}

const throughHub = (message: Fields) => toCompletion(message, 1);

/** The answer cut into the events of a stream, at random places. */
function eventsOf(draw: Draw, { content, stop_reason, stop_sequence, usage, ...message }: Fields): MessageEvent[] {
  const events: MessageEvent[] = [
    {
      type: 'message_start',
      message: { ...message, stop_sequence: null, content: [], usage: { ...Object(usage), output_tokens: 0 } },
    },
  ];
  const blocks: Fields[] = Array.isArray(content) ? content : [];
  for (const [index, block] of blocks.entries()) {
    const piece = (delta: Fields): unknown => events.push({ type: 'content_block_delta', index, delta });
    const { type, text, thinking, signature, input, citations } = block;
    const begun = {
      text: { type, text: '' },
      thinking: { type, thinking: '', signature: '' },
      tool_use: { ...block, input: {} },
      server_tool_use: { ...block, input: {} },
    };
    events.push({
      type: 'content_block_start',
      index,
      content_block: Object.hasOwn(begun, String(type)) ? Object(begun)[String(type)] : block,
    });
    for (const citation of Array.isArray(citations) ? citations : []) piece({ type: 'citations_delta', citation });
    if (type === 'text') for (const part of pieces(draw, String(text))) piece({ type: 'text_delta', text: part });
    if (type === 'thinking')
      for (const part of pieces(draw, String(thinking))) piece({ type: 'thinking_delta', thinking: part });
    if (type === 'thinking') piece({ type: 'signature_delta', signature });
    if (input !== undefined && Object.keys(Object(input)).length > 0)
      for (const part of pieces(draw, JSON.stringify(input))) piece({ type: 'input_json_delta', partial_json: part });
    events.push({ type: 'content_block_stop', index });
    if (draw.maybe()) events.push({ type: 'ping' });
  }
  const counts = { output_tokens: Object(usage).output_tokens };
  return [
    ...events,
    { type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: counts },
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
      if (delta['type'] === 'citations_delta')
        block['citations'] = [...Array.from(Object(block['citations'] ?? [])), delta['citation']];
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
  const reader = new ToChunks(1, true);
  return events.flatMap((event) => {
    const meant = reader.read(JSON.stringify(event));
    return meant === 'end' ? [] : meant;
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

describe('an answer', () => {
  it('of the Messages API is the same after it was a completion', () => {
    forEachSeed((draw) => {
      const answer = anthropicAnswer(draw);
      assert.deepEqual(fromCompletion(throughHub(answer), [STOP]), answer);
    });
  });

  it('that is a completion is the same after it was a message', () => {
    forEachSeed((draw) => {
      const completion = throughHub(anthropicAnswer(draw));
      assert.deepEqual(throughHub(fromCompletion(completion, [STOP])), completion);
    });
  });

  it('that is streamed is the same after it was chunks', () => {
    forEachSeed((draw) => {
      const answer = anthropicAnswer(draw);
      const events = eventsOf(draw, answer);
      assert.deepEqual(assembled(events), answer, 'the script is sound');
      const writer = new FromChunks([STOP]);
      const after = chunksOf(events).flatMap((chunk) => writer.read(chunk));
      assert.deepEqual(assembled([...after, ...writer.end()]), answer);
    });
  });

  it('that comes out of the cache in one piece is the same, and without what was changed in it since', () => {
    forEachSeed((draw) => {
      const answer = anthropicAnswer(draw);
      const { choices, usage = null, ...frame } = throughHub(answer);
      const [{ message, ...choice } = assert.fail('there is none')] = choices;
      const told = (delta: ChatChunk['choices'][number]['delta']): Fields => {
        const writer = new FromChunks([STOP]);
        const chunk = { ...frame, object: 'chat.completion.chunk', choices: [{ ...choice, delta }], usage };
        const events = writer.read(chunk);
        return assembled([...events, ...writer.end()]);
      };
      const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
      const numbered = calls.map((call: object, index) => ({ index, ...call }));
      assert.deepEqual(told({ ...message, ...(calls.length > 0 && { tool_calls: numbered }) }), answer);
      const changed = { ...message, content: 'Something else.' };
      for (const { content } of [
        fromCompletion({ ...frame, choices: [{ ...choice, message: changed }] }),
        told(changed),
      ])
        assert.ok(JSON.stringify(content).includes('Something else.'));
    });
  });

  it('that stopped at a text nobody asked to stop at is at its end', () => {
    const choices = [
      { index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop', stop_reason: 'eos' },
    ];
    const told = fromCompletion({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices }, [STOP]);
    assert.deepEqual([told['stop_reason'], told['stop_sequence']], ['end_turn', null]);
  });

  for (const name of ['cache_creation_tokens', 'cache_write_tokens'])
    it(`has what was written to a cache by its ${name}`, () => {
      const usage = { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 };
      assert.deepEqual(fromUsage({ ...usage, prompt_tokens_details: { cached_tokens: 2, [name]: 3 } }), {
        input_tokens: 5,
        output_tokens: 1,
        cache_read_input_tokens: 2,
        cache_creation_input_tokens: 3,
      });
    });

  it('that calls tools says so, though its provider ends it with "stop"', () => {
    const frame = { id: 'c', created: 1, model: 'm' };
    const calls = [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }];
    const message = { role: 'assistant', content: null, tool_calls: calls };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    assert.equal(fromCompletion({ ...frame, object: 'chat.completion', choices })['stop_reason'], 'tool_use');
    const writer = new FromChunks();
    const chunk = { index: 0, delta: { tool_calls: calls }, finish_reason: 'stop' };
    writer.read({ ...frame, object: 'chat.completion.chunk', choices: [chunk] });
    const ending = writer.end().find(({ type }) => type === 'message_delta');
    assert.equal(Object(ending?.['delta']).stop_reason, 'tool_use');
  });

  for (const word of ['reasoning_content', 'reasoning'])
    it(`of another provider shows its ${word}, plain and streamed`, () => {
      const frame = { id: 'c', created: 1, model: 'm' };
      const said = { role: 'assistant', content: 'Well.', [word]: 'Hm.' };
      const plain = fromCompletion({
        ...frame,
        object: 'chat.completion',
        choices: [{ index: 0, message: said, finish_reason: 'stop' }],
      });
      const expected = [
        { type: 'thinking', thinking: 'Hm.', signature: '' },
        { type: 'text', text: 'Well.' },
      ];
      assert.deepEqual(plain['content'], expected);
      const writer = new FromChunks();
      const events = [{ [word]: 'Hm.' }, { content: 'Well.' }].flatMap((delta) =>
        writer.read({ ...frame, object: 'chat.completion.chunk', choices: [{ index: 0, delta }] }),
      );
      assert.deepEqual(assembled([...events, ...writer.end()])['content'], expected);
    });
});
