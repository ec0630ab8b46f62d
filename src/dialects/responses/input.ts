/**
 * The input of OpenAI's Responses API as the messages of the hub's form. Items that belong to one answer of a model (its text and its
 * calls) become one message, as chat completions have it. What has no word there is refused by its place. Shapes after
 * https://platform.openai.com/docs/api-reference/responses/create.
 */
import type { ChatMessage, ChatRole } from '#contract/chat';
import { defined, given, isRecord, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { untranslatable } from '../untranslatable.ts';

/** Of an answer that is sent back: where it was kept, and how it ended. They say nothing to a model. */
const OF_THE_RECORD = ['id', 'type', 'status', 'phase'];

/** One answer of a model, while its items come. */
interface Answer {
  readonly texts: string[];
  readonly calls: Json[];
}

/** Throws `UpstreamFailure('untranslatable')`. */
export function toMessages(instructions: unknown, input: string | readonly unknown[]): ChatMessage[] {
  const system: ChatMessage[] = given(instructions) ? [{ role: 'system', content: textOf(instructions) }] : [];
  return [...system, ...(typeof input === 'string' ? [userText(input)] : itemsToMessages(input))];
}

function userText(content: string): ChatMessage {
  return { role: 'user', content };
}

function itemsToMessages(items: readonly unknown[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let answer: Answer | null = null;
  const endAnswer = (): void => {
    if (answer !== null) messages.push(assistantMessage(answer));
    answer = null;
  };
  for (const [at, item] of items.entries()) {
    const where = `input[${at}]`;
    if (!isRecord(item)) throw untranslatable(where, 'it is no object');
    const type = typeOf(item);
    // Another model's thinking, or sealed by its provider: nobody else can be told to take it for his own.
    if (type === 'reasoning') continue;
    if (type === 'function_call') {
      answer ??= { texts: [], calls: [] };
      answer.calls.push(toCall(item, where));
    } else if (type === 'message' && item['role'] === 'assistant') {
      // A text after a text is the next answer; after a call it still is the same.
      if (answer !== null && answer.calls.length === 0) endAnswer();
      answer ??= { texts: [], calls: [] };
      for (const text of assistantTexts(item, where)) answer.texts.push(text);
    } else {
      endAnswer();
      messages.push(toMessage(item, type, where));
    }
  }
  endAnswer();
  if (messages.length === 0) throw untranslatable('input', 'it holds nothing that a model could be asked');
  return messages;
}

/** Both may be left out: of a message, and of a reference. */
function typeOf(item: Json): string {
  if (given(item['type'])) return textOf(item['type']);
  return item['role'] === undefined && item['id'] !== undefined ? 'item_reference' : 'message';
}

function assistantMessage({ texts, calls }: Answer): ChatMessage {
  const [only = null] = texts;
  return {
    role: 'assistant',
    content: texts.length < 2 ? only : texts.map(textPart),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function toMessage(item: Json, type: string, where: string): ChatMessage {
  if (type === 'message') return fromRole(item, where);
  if (type === 'function_call_output') {
    allowFields(item, where, [...OF_THE_RECORD, 'call_id', 'name', 'output']);
    const content = toContent(item['output'], `${where}.output`, ['input_text', 'input_image']);
    return { role: 'tool', tool_call_id: textIn(item, 'call_id', where), content };
  }
  if (type === 'item_reference')
    throw untranslatable(
      `${where}.type`,
      'it is "item_reference", and the hub keeps no items; send the item itself, as clients do with store: false',
    );
  throw untranslatable(
    `${where}.type`,
    `it is "${type}"; what every provider can be told is message, function_call, function_call_output and reasoning`,
  );
}

const ALLOWED: ReadonlyMap<unknown, readonly [ChatRole, readonly string[]]> = new Map([
  ['user', ['user', ['input_text', 'input_image', 'input_file']]],
  ['system', ['system', ['input_text']]],
  ['developer', ['developer', ['input_text']]],
]);

function fromRole(item: Json, where: string): ChatMessage {
  const allowed = ALLOWED.get(item['role']);
  if (allowed === undefined)
    throw untranslatable(`${where}.role`, 'it is none of user, assistant, system and developer');
  allowFields(item, where, [...OF_THE_RECORD, 'role', 'content']);
  const [role, types] = allowed;
  return { role, content: toContent(item['content'], `${where}.content`, types) };
}

/** One text is told as a text: the same question in either form is the same to a provider, and to the cache. */
function toContent(content: unknown, where: string, types: readonly string[]): string | Json[] {
  const parts = partsOf(content, where);
  if (typeof parts === 'string') return parts;
  const told = parts.map((part, at) => toPart(part, `${where}[${at}]`, types));
  const [only] = told;
  return told.length === 1 && only?.['type'] === 'text' ? textOf(only['text']) : told;
}

function partsOf(content: unknown, where: string): string | readonly unknown[] {
  if (typeof content === 'string' || Array.isArray(content)) return content;
  throw untranslatable(where, 'it is neither a text nor a list of parts');
}

function toPart(part: unknown, where: string, types: readonly string[]): Json {
  const type = isRecord(part) ? textOf(part['type']) : '';
  if (!isRecord(part) || !types.includes(type))
    throw untranslatable(`${where}.type`, `it is "${type}"; here may be ${types.join(', ')}`);
  if (type === 'input_text') {
    allowFields(part, where, ['type', 'text']);
    return textPart(textIn(part, 'text', where));
  }
  if (given(part['file_id']))
    throw untranslatable(`${where}.file_id`, 'the hub keeps no files; send the content itself, as a data URL');
  if (type === 'input_image') {
    allowFields(part, where, ['type', 'image_url', 'detail', 'file_id']);
    const { detail } = part;
    const said = detail === 'auto' || detail === null ? undefined : detail;
    return { type: 'image_url', image_url: defined({ url: textIn(part, 'image_url', where), detail: said }) };
  }
  allowFields(part, where, ['type', 'file_data', 'filename', 'file_id']);
  const file = { file_data: textIn(part, 'file_data', where), filename: part['filename'] };
  return { type: 'file', file: defined(file) };
}

/** What a model said, its refusals too: to the next one they are what was said. */
function assistantTexts(item: Json, where: string): string[] {
  allowFields(item, where, [...OF_THE_RECORD, 'role', 'content']);
  const parts = partsOf(item['content'], `${where}.content`);
  if (typeof parts === 'string') return [parts];
  return parts.map((part, at) => {
    const place = `${where}.content[${at}]`;
    const type = isRecord(part) ? textOf(part['type']) : '';
    if (isRecord(part) && type === 'refusal') return textIn(part, 'refusal', place);
    if (isRecord(part) && (type === 'output_text' || type === 'input_text')) return textIn(part, 'text', place);
    throw untranslatable(`${place}.type`, `it is "${type}"; an assistant’s are output_text and refusal`);
  });
}

function toCall(item: Json, where: string): Json {
  // OpenAI’s own client adds what it has parsed.
  allowFields(item, where, [...OF_THE_RECORD, 'call_id', 'name', 'arguments', 'parsed_arguments']);
  const name = textIn(item, 'name', where);
  return {
    id: textIn(item, 'call_id', where),
    type: 'function',
    function: { name, arguments: textIn(item, 'arguments', where) },
  };
}

function textPart(text: string): Json {
  return { type: 'text', text };
}

function textIn(item: Json, name: string, where: string): string {
  const value = item[name];
  if (typeof value !== 'string') throw untranslatable(`${where}.${name}`, 'it must be a text');
  return value;
}

function allowFields(item: Json, where: string, known: readonly string[]): void {
  for (const [name, value] of Object.entries(item))
    if (given(value) && !known.includes(name))
      throw untranslatable(`${where}.${name}`, 'it is known to OpenAI’s Responses API alone');
}
