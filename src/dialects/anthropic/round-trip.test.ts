/**
 * A conversation told to the other side and back is the same: from the hub's form through Anthropic's, and from Anthropic's through the
 * hub's. From a seed, over what docs/providers/anthropic.md says can be told.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { Random } from '#core/random';
import type { ChatMessage, ChatRequest } from '#contract/chat';
import type { Json } from '../json.ts';
import type { Turn } from './messages.ts';
import { fromMessagesRequest, toMessagesRequest } from './request.ts';
import type { MessagesRequest } from './request.ts';

const SEEDS = 400;
const WORDS = ['Is', 'it', 'late?', '"quoted"', 'ümläut', '日本', '\n', '\\', '😀', '{}'];
const MODEL = 'claude';

class Chance {
  readonly #random: Random;
  #id = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  often(): boolean {
    return this.below(2) === 0;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    assert.ok(value !== undefined);
    return value;
  }

  text(): string {
    return Array.from({ length: 1 + this.below(5) }, () => this.pick(WORDS)).join(' ');
  }

  id(): string {
    return `call_${this.#id++}`;
  }

  input(): Json {
    return this.often() ? {} : { city: this.text(), days: this.below(9), nested: { list: [1, null, this.text()] } };
  }

  /** 0 to 2 of what `make` gives. */
  some<T>(make: () => T): T[] {
    return Array.from({ length: this.below(3) }, make);
  }
}

const PIXEL = 'iVBORw0KGgo=';

function part(chance: Chance): Json {
  const image = chance.often() ? `data:image/png;base64,${PIXEL}` : 'https://example.com/a.png';
  const cached = chance.below(4) === 0 ? { cache_control: { type: 'ephemeral' } } : {};
  return chance.often()
    ? { type: 'text', text: chance.text(), ...cached }
    : { type: 'image_url', image_url: { url: image }, ...cached };
}

/** A user's message, then perhaps an answer with calls and their results. */
function exchangeOf(chance: Chance): ChatMessage[] {
  const user: ChatMessage = {
    role: 'user',
    content: chance.often() ? chance.text() : [part(chance), part(chance)],
  };
  const ids = chance.some(() => chance.id());
  if (ids.length === 0) return [user, { role: 'assistant', content: chance.text() }];
  const calls = ids.map((id) => ({
    id,
    type: 'function',
    function: { name: chance.pick(['weather', 'search']), arguments: JSON.stringify(chance.input()) },
  }));
  const thoughts = [{ type: 'thinking', thinking: chance.text(), signature: 'c2ln' }];
  return [
    user,
    {
      role: 'assistant',
      content: chance.often() ? null : chance.text(),
      tool_calls: calls,
      ...(chance.often() ? { thinking_blocks: thoughts } : {}),
    },
    ...ids.map((id): ChatMessage => ({ role: 'tool', tool_call_id: id, content: chance.text() })),
  ];
}

function tools(chance: Chance): Json {
  const choice = chance.pick(['auto', 'none', 'required', { type: 'function', function: { name: 'weather' } }]);
  return {
    tools: ['weather', 'search'].map((name) => ({
      type: 'function',
      function: {
        name,
        description: chance.text(),
        parameters: { type: 'object', properties: { city: { type: 'string' } } },
      },
    })),
    tool_choice: choice,
    // Nobody calls tools side by side where none may be called.
    ...(choice !== 'none' && chance.often() ? { parallel_tool_calls: false } : {}),
  };
}

function chatRequest(chance: Chance): ChatRequest {
  const schema = { type: 'object', properties: { a: { type: 'number' } }, additionalProperties: false };
  return {
    model: MODEL,
    messages: [
      ...(chance.often() ? [{ role: 'system' as const, content: chance.text() }] : []),
      ...Array.from({ length: 1 + chance.below(3) }, () => exchangeOf(chance)).flat(),
      { role: 'user', content: [part(chance), part(chance)] },
    ],
    max_completion_tokens: 1 + chance.below(5_000),
    ...(chance.often() ? { temperature: chance.below(11) / 10 } : {}),
    ...(chance.often() ? { top_p: 0.5 } : {}),
    ...(chance.often() ? { stop: [chance.text()] } : {}),
    ...(chance.often() ? { user: chance.id() } : {}),
    ...(chance.often() ? tools(chance) : {}),
    ...(chance.often() ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } } : {}),
  };
}

function messagesRequest(chance: Chance): MessagesRequest {
  const text = (): Json => ({ type: 'text', text: chance.text() });
  const turns: Turn[] = [];
  for (let round = 0; round <= chance.below(3); round++) {
    const pdf = {
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERg==' },
      title: 'a.pdf',
    };
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } };
    turns.push({ role: 'user', content: chance.often() ? chance.text() : [text(), chance.pick([pdf, image])] });
    const ids = chance.some(() => chance.id());
    if (ids.length === 0) {
      turns.push({ role: 'assistant', content: chance.text() });
      continue;
    }
    const uses = ids.map((id) => ({ type: 'tool_use', id, name: 'weather', input: chance.input() }));
    turns.push({ role: 'assistant', content: [...(chance.often() ? [text()] : []), ...uses] });
    const results = ids.map((id) => ({
      type: 'tool_result',
      tool_use_id: id,
      content: chance.often() ? chance.text() : [text(), image],
      ...(chance.often() ? { is_error: true } : {}),
    }));
    turns.push({ role: 'user', content: [...results, ...(chance.often() ? [text()] : [])] });
    turns.push({ role: 'assistant', content: chance.text() });
  }
  turns.push({ role: 'user', content: chance.text() });
  return {
    model: MODEL,
    max_tokens: 1 + chance.below(5_000),
    messages: turns,
    ...(chance.often() ? { system: chance.often() ? chance.text() : [text(), text()] } : {}),
    ...(chance.often() ? { temperature: 1, top_k: 40 } : {}),
    ...(chance.often() ? { thinking: { type: 'enabled', budget_tokens: 2_048 } } : {}),
    ...(chance.often() ? { metadata: { user_id: 'u' } } : {}),
    ...(chance.often() ? { stop_sequences: ['end'] } : {}),
    ...(chance.often()
      ? {
          tools: [{ name: 'weather', description: 'd', input_schema: { type: 'object' } }],
          tool_choice: chance.pick<Json>([{ type: 'none' }, { type: 'any', disable_parallel_tool_use: true }]),
        }
      : {}),
  };
}

/** As it goes over the wire: a field that is `undefined` is none. */
function wire(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe('a conversation', () => {
  it(`in the hub’s form is the same after it was told to Anthropic and back (${SEEDS} seeds)`, () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const request = chatRequest(new Chance(seed));
      const back = fromMessagesRequest(toMessagesRequest(request, MODEL, 1));
      assert.deepEqual(wire(back), wire(request), `seed ${seed}`);
    }
  });

  it(`in Anthropic’s form is the same after it was told to the hub and back (${SEEDS} seeds)`, () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const request = messagesRequest(new Chance(seed));
      const back = toMessagesRequest(fromMessagesRequest(request), MODEL, 1);
      assert.deepEqual(wire(back), wire(request), `seed ${seed}`);
    }
  });
});
