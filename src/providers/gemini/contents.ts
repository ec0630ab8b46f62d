/**
 * A conversation in the hub's form as Gemini's contents. Nothing is dropped unseen: a message, part or field that Gemini cannot be
 * told is refused by its name, so that what was told can be read back (`round-trip.test.ts`).
 */
import type { ChatMessage } from '#contract/chat';
import { given, isRecord, parseJson } from '#dialects/json';
import { OF_ITS_MAKER } from '#dialects/sent-back';
import { untranslatable } from '#dialects/untranslatable';
import { mediaPart } from './media.ts';
import { FOREIGN_SIGNATURE, isGemini3 } from './wire.ts';
import type { GeminiContent, GeminiPart } from './wire.ts';

export interface GeminiConversation {
  systemInstruction?: { parts: GeminiPart[] };
  contents: GeminiContent[];
}

/** Throws `UpstreamFailure('untranslatable')` that names the field. */
export function toContents(messages: readonly ChatMessage[], model: string): GeminiConversation {
  const system: GeminiPart[] = [];
  const contents: GeminiContent[] = [];
  const namesByCall = new Map<string, string>();
  let answering: GeminiContent | undefined;
  for (const [index, message] of messages.entries()) {
    const param = `messages[${index}]`;
    refuseFields(message, param);
    if (message.role === 'tool') {
      // The results of one turn of calls belong into one content: Gemini counts them against the calls.
      if (answering === undefined) contents.push((answering = { role: 'user', parts: [] }));
      answering.parts.push(resultPart(message, namesByCall, param));
      continue;
    }
    answering = undefined;
    if (message.role === 'system' || message.role === 'developer') {
      if (contents.length > 0)
        throw untranslatable(`${param}.role`, 'Gemini takes instructions at the beginning of a conversation only.');
      for (const part of partsOf(message.content, param)) system.push(part);
    } else if (message.role === 'assistant') {
      contents.push({ role: 'model', parts: assistantParts(message, namesByCall, model, param) });
    } else {
      contents.push({ role: 'user', parts: partsOf(message.content, param) });
    }
  }
  if (contents.length === 0) throw untranslatable('messages', 'Gemini needs a message that is no instruction.');
  return { ...(system.length === 0 ? {} : { systemInstruction: { parts: system } }), contents };
}

/** Read here or without a meaning for the answer: reasoning is the other provider's, a tool result's name that of its call. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  system: ['role', 'content'],
  developer: ['role', 'content'],
  user: ['role', 'content'],
  assistant: ['role', 'content', 'refusal', 'tool_calls', ...OF_ITS_MAKER],
  tool: ['role', 'content', 'tool_call_id', 'name'],
};

function refuseFields(message: ChatMessage, param: string): void {
  const known = Object.hasOwn(FIELDS, message.role) ? FIELDS[message.role] : undefined;
  if (known === undefined) throw untranslatable(`${param}.role`, `Gemini has no role "${message.role}".`);
  for (const [name, value] of Object.entries(message)) {
    if (given(value) && !known.includes(name)) throw untranslatable(`${param}.${name}`, 'Gemini has nothing like it.');
  }
}

function partsOf(content: ChatMessage['content'], param: string): GeminiPart[] {
  if (typeof content === 'string') return [{ text: content }];
  if (content === undefined || content === null) throw untranslatable(`${param}.content`, 'it is missing.');
  return content.map((part, index) => partOf(part, `${param}.content[${index}]`));
}

function partOf(part: Record<string, unknown>, param: string): GeminiPart {
  if (part['type'] === 'text' && typeof part['text'] === 'string') return { text: part['text'] };
  if (part['type'] === 'refusal' && typeof part['refusal'] === 'string') return { text: part['refusal'] };
  const media = mediaPart(part, param);
  if (media === undefined) throw untranslatable(`${param}.type`, 'Gemini cannot be shown a part of this type.');
  return media;
}

function assistantParts(
  message: ChatMessage,
  namesByCall: Map<string, string>,
  model: string,
  param: string,
): GeminiPart[] {
  const { content, refusal, tool_calls: calls, extra_content: extra } = message;
  const parts: GeminiPart[] = given(content) && content !== '' ? partsOf(content, param) : [];
  if (typeof refusal === 'string') parts.push({ text: refusal });
  const signature = signatureOf(extra);
  if (signature !== undefined) {
    const last = parts.at(-1) ?? { text: '' };
    last.thoughtSignature = signature;
    if (parts.length === 0) parts.push(last);
  }
  if (Array.isArray(calls)) {
    for (const [index, call] of calls.entries()) {
      const part = callPart(call, namesByCall, `${param}.tool_calls[${index}]`);
      if (index === 0 && part.thoughtSignature === undefined && isGemini3(model))
        part.thoughtSignature = FOREIGN_SIGNATURE;
      parts.push(part);
    }
  }
  return parts.length === 0 ? [{ text: '' }] : parts;
}

function callPart(call: unknown, namesByCall: Map<string, string>, param: string): GeminiPart {
  if (!isRecord(call) || !isRecord(call['function']))
    throw untranslatable(param, 'Gemini knows calls of functions only.');
  const { name, arguments: text } = call['function'];
  if (typeof name !== 'string') throw untranslatable(`${param}.function.name`, 'it is missing.');
  const args = text === '' || text === undefined ? {} : typeof text === 'string' ? parseJson(text) : undefined;
  if (!isRecord(args)) throw untranslatable(`${param}.function.arguments`, 'Gemini takes a JSON object only.');
  const id = typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : undefined;
  if (id !== undefined) namesByCall.set(id, name);
  const signature = signatureOf(call['extra_content']);
  return {
    functionCall: { ...(id === undefined ? {} : { id }), name, args },
    ...(signature === undefined ? {} : { thoughtSignature: signature }),
  };
}

/** Where Google's own OpenAI-compatible API puts it, so that clients which keep it for one keep it for both. */
function signatureOf(extra: unknown): string | undefined {
  const google = isRecord(extra) ? extra['google'] : undefined;
  const signature = isRecord(google) ? google['thought_signature'] : undefined;
  return typeof signature === 'string' ? signature : undefined;
}

function resultPart(message: ChatMessage, namesByCall: ReadonlyMap<string, string>, param: string): GeminiPart {
  const { tool_call_id: id, content } = message;
  const name = typeof id === 'string' ? namesByCall.get(id) : undefined;
  if (typeof id !== 'string' || name === undefined)
    throw untranslatable(
      `${param}.tool_call_id`,
      'no call before it has this id, and Gemini wants to know its function.',
    );
  const texts = partsOf(content, param).map(({ text }, index) => {
    if (text === undefined) throw untranslatable(`${param}.content[${index}]`, 'Gemini takes results as text only.');
    return text;
  });
  // "output" is Google's own word for the whole of a function's result.
  return { functionResponse: { id, name, response: { output: texts.join('') } } };
}
