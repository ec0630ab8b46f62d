/**
 * A conversation told to Gemini and read back is the one it was: texts, images, sound, files, calls, results, signatures. Assistants'
 * turns are read back by the code that reads Gemini's answers; the rest by the few lines below.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { ChatMessage } from '#contract/chat';
import { isRecord } from '#dialects/json';
import { toCompletion } from './completion.ts';
import { toContents } from './contents.ts';
import type { GeminiConversation } from './contents.ts';
import type { GeminiContent, GeminiPart } from './wire.ts';
import { FOREIGN_SIGNATURE } from './wire.ts';

type Part = Record<string, unknown>;

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const base64 = fc.base64String({ maxLength: 16 });
const textPart = text.map((each): Part => ({ type: 'text', text: each }));
const part: fc.Arbitrary<Part> = fc.oneof(
  textPart,
  base64.map((data) => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } })),
  fc.webPath().map((path) => ({ type: 'image_url', image_url: { url: `https://example.com${path}` } })),
  fc.tuple(base64, fc.constantFrom('wav', 'mp3')).map(([data, format]) => ({
    type: 'input_audio',
    input_audio: { data, format },
  })),
  base64.map((data) => ({ type: 'file', file: { file_data: `data:application/pdf;base64,${data}` } })),
);

const seal = fc.option(base64.map((each) => ({ extra_content: { google: { thought_signature: `s${each}` } } })));
const system = fc.option(fc.oneof(text, fc.array(textPart, { minLength: 2, maxLength: 3 })));
const user = fc
  .oneof(text, fc.array(part, { minLength: 2, maxLength: 4 }))
  .map((content): ChatMessage[] => [{ role: 'user', content }]);
const said = fc
  .record({ content: text, seal })
  .map(({ content, seal: extra }): ChatMessage[] => [{ role: 'assistant', content, ...extra }]);
const called = fc
  .record({
    content: fc.option(text),
    calls: fc.array(
      fc.record({ name: text, args: fc.dictionary(fc.string(), fc.jsonValue()), seal, result: fc.string() }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ content, calls }): ChatMessage[] => [
    {
      role: 'assistant',
      content,
      tool_calls: calls.map(({ name, args, seal: extra }, index) => ({
        id: `call_${index}`,
        type: 'function',
        function: { name, arguments: JSON.stringify(args) },
        ...extra,
      })),
    },
    ...calls.map(({ result }, index): ChatMessage => ({
      role: 'tool',
      tool_call_id: `call_${index}`,
      content: result,
    })),
  ]);
const conversation = fc
  .record({ system, turns: fc.array(fc.oneof(user, said, called), { minLength: 1, maxLength: 6 }) })
  .map(({ system: content, turns }): ChatMessage[] => [
    ...(content === null ? [] : [{ role: 'system' as const, content }]),
    ...turns.flat(),
  ]);

for (const model of ['gemini-2.5-flash', 'gemini-3-pro-preview']) {
  it(`what ${model} is told of a conversation is all of it, and can be read back`, () => {
    fc.assert(
      fc.property(conversation, (messages) => {
        const before = JSON.stringify(messages);
        const wire = JSON.stringify(toContents(messages, model));
        assert.deepEqual(toMessages(JSON.parse(wire)), messages);
        assert.equal(JSON.stringify(messages), before, 'the request is the caller’s');
      }),
      { seed: 20_261_123, numRuns: 300 },
    );
  });
}

function toMessages({ systemInstruction, contents }: GeminiConversation): ChatMessage[] {
  const instructions: ChatMessage[] =
    systemInstruction === undefined ? [] : [{ role: 'system', content: contentOf(systemInstruction.parts) }];
  return [...instructions, ...contents.flatMap((content) => turnOf(content))];
}

function turnOf({ role, parts }: GeminiContent): ChatMessage[] {
  if (role === 'model') return [answerOf(parts)];
  const results = parts.flatMap(({ functionResponse }) => functionResponse ?? []);
  if (results.length === 0) return [{ role: 'user', content: contentOf(parts) }];
  return results.map(({ id, response }) => ({
    role: 'tool',
    tool_call_id: id,
    content: String(response['output']),
  }));
}

/** As Gemini would have said it. */
function answerOf(parts: readonly GeminiPart[]): ChatMessage {
  const own = parts.map(({ thoughtSignature, ...rest }) =>
    thoughtSignature === undefined || thoughtSignature === FOREIGN_SIGNATURE ? rest : { ...rest, thoughtSignature },
  );
  const answer = { candidates: [{ content: { role: 'model', parts: own }, finishReason: 'STOP' }] };
  const [choice] = toCompletion(JSON.stringify(answer), 200, { model: 'm', created: 0 }).choices;
  const { refusal, ...message } = choice?.message ?? assert.fail('there is a choice');
  assert.equal(refusal, null);
  return { ...message, role: 'assistant' };
}

function contentOf(parts: readonly GeminiPart[]): string | Part[] {
  const [first] = parts;
  return parts.length === 1 && first?.text !== undefined ? first.text : parts.map(toPart);
}

function toPart({ text: content, inlineData, fileData }: GeminiPart): Part {
  if (content !== undefined) return { type: 'text', text: content };
  if (isRecord(fileData)) return { type: 'image_url', image_url: { url: fileData.fileUri } };
  const { mimeType, data } = inlineData ?? assert.fail('a part of no known kind');
  const format = /^audio\/(wav|mp3)$/.exec(mimeType)?.[1];
  if (format !== undefined) return { type: 'input_audio', input_audio: { data, format } };
  const url = `data:${mimeType};base64,${data}`;
  return mimeType.startsWith('image/')
    ? { type: 'image_url', image_url: { url } }
    : { type: 'file', file: { file_data: url } };
}
