/** A message of more parts than a call takes arguments, through every translation that joins parts: told as any other is. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ChatMessage } from '#contract/chat';
import { inOpenAiForm } from '#dialects/anthropic/openai-form';
import { fromMessagesRequest, toMessagesRequest } from '#dialects/anthropic/request';
import type { Turn } from '#dialects/anthropic/messages';
import { toChatRequest } from '#dialects/responses/request';
import { toGeminiRequest } from '../../src/providers/gemini/request.ts';

/** The stack holds about 120,000. */
const MANY = 150_000;
const many = (part: object) => Array.from({ length: MANY }, () => ({ ...part }));
const texts = many({ type: 'text', text: 'a' });
const called = { id: 'c', type: 'function', function: { name: 'look', arguments: '{}' } };
const asks: ChatMessage = { role: 'assistant', content: null, tool_calls: [called] };
const answered: ChatMessage = { role: 'tool', tool_call_id: 'c', content: 'seen' };

const fromMessages = (...turns: Turn[]) =>
  fromMessagesRequest({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Look.' }, ...turns] });
const toGemini = (...messages: ChatMessage[]) => toGeminiRequest({ model: 'm', messages }, 'gemini-2.5-flash').contents;

const TOLD: Readonly<Record<string, () => unknown>> = {
  'Anthropic, after a tool’s result': () =>
    toMessagesRequest({ model: 'm', messages: [asks, answered, { role: 'user', content: texts }] }, 'claude', 9),
  'Anthropic, in an order of their own': () => {
    const calls = Array.from({ length: MANY / 2 }, () => called);
    const use = { type: 'tool_use', id: 'c', name: 'look', input: {} };
    const blocks = calls.flatMap(() => [{ type: 'text', text: 'a' }, use]);
    const said = { content: 'a'.repeat(calls.length), anthropic: { content: blocks } };
    const answer: ChatMessage = { role: 'assistant', tool_calls: calls, ...said };
    return toMessagesRequest({ model: 'm', messages: [{ role: 'user', content: 'Look.' }, answer] }, 'claude', 9);
  },
  'OpenAI, of pictures in a tool’s result': () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' };
    const content = [{ type: 'tool_result', tool_use_id: 'c', content: many({ type: 'image', source }) }];
    return inOpenAiForm(fromMessages({ role: 'user', content }));
  },
  'OpenAI, of instructions': () =>
    inOpenAiForm({ ...fromMessages(), messages: texts.map((text) => ({ role: 'system', content: [text] })) }),
  'the hub, of texts and calls': () => {
    const use = { type: 'tool_use', id: 'c', name: 'look', input: {} };
    return fromMessages({ role: 'assistant', content: [...texts, ...many(use)] });
  },
  'the hub, of an answer sent back': () => {
    const content = many({ type: 'output_text', text: 'a', annotations: [] });
    return toChatRequest({ model: 'm', input: [{ type: 'message', role: 'assistant', content }] });
  },
  'Gemini, of instructions': () => toGemini({ role: 'system', content: texts }, { role: 'user', content: 'Well?' }),
  'Gemini, of an answer': () => toGemini({ role: 'assistant', content: texts }),
  'Gemini, of calls': () =>
    toGemini({ role: 'assistant', content: null, tool_calls: Array.from({ length: MANY }, () => called) }),
};

for (const [name, tell] of Object.entries(TOLD))
  it(`${MANY} parts are told to ${name}`, () => assert.doesNotThrow(tell));
