/**
 * The messages of a conversation, between the hub's form (OpenAI's chat completions) and Anthropic's. Both directions stand side by
 * side, because each is the other's proof: what is told to one side comes back from it unchanged. What has no word on the other
 * side is refused by name; a block for which the hub's form has none travels as it is, for Anthropic alone. Shapes after
 * https://docs.anthropic.com/en/api/messages.
 */
import type { ChatMessage } from '#contract/chat';
import { defined, given, isRecord, saying, textOf } from '../json.ts';
import { isThought, isTranslatable, keptBlocks, keptFields, keptOfCall, listOf, sayTheSame } from './blocks.ts';
import { OF_ITS_MAKER } from '../sent-back.ts';
import { untranslatable } from '../untranslatable.ts';
import type { Json } from '../json.ts';

export interface Turn {
  /** `system` in the middle of a conversation is known to Claude Opus 4.8 and later. */
  role: 'user' | 'assistant' | 'system';
  content: string | Json[];
}

export interface Conversation {
  system: string | Json[] | undefined;
  turns: Turn[];
}

const PLAIN = 'text/plain';
const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;
/** What clients send back of an answer without meaning anything by it. */
const EMPTY_ANSWER_FIELDS = ['audio', 'function_call'];

/** Parts of a content in the hub's form; what a caller of Anthropic's form sends beside them is a block of its own. */
const PARTS = ['text', 'image_url', 'file', 'input_audio', 'refusal'];

/** `own`: who asks speaks Anthropic's form, so that what the hub does not know is told as it is. */
export function toTurns(messages: readonly ChatMessage[], own: boolean): Conversation {
  const leading = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
  const systemCount = leading === -1 ? messages.length : leading;
  const turns: Turn[] = [];
  let results: Json[] | undefined;
  for (let at = systemCount; at < messages.length; at++) {
    const message = messages[at];
    if (message === undefined) break;
    const where = `messages[${at}]`;
    if (message.role === 'tool') {
      // All results of one answer belong into one turn.
      if (results === undefined) turns.push({ role: 'user', content: (results = []) });
      results.push(toToolResult(message, where, own));
      continue;
    }
    const turn = toTurn(message, where, own);
    if (turn.role === 'user' && results !== undefined) for (const block of blocksOf(turn.content)) results.push(block);
    else if (turn.content.length > 0) turns.push(turn);
    results = undefined;
  }
  const last = turns.at(-1);
  if (last?.role === 'assistant') {
    last.content = withoutLastSpace(last.content);
    if (last.content.length === 0) turns.pop();
  }
  return { system: toSystem(messages.slice(0, systemCount), own), turns };
}

/** An answer to go on from must not end in white space, or Anthropic refuses it. */
function withoutLastSpace(content: string | Json[]): string | Json[] {
  if (typeof content === 'string') return content.trimEnd();
  const last = content.at(-1);
  if (last?.['type'] !== 'text') return content;
  const text = textOf(last['text']).trimEnd();
  return [...content.slice(0, -1), ...(text === '' ? [] : [{ ...last, text }])];
}

function toSystem(messages: readonly ChatMessage[], own: boolean): string | Json[] | undefined {
  const [first] = messages;
  if (first === undefined) return undefined;
  messages.forEach((message, at) => allowFields(message, `messages[${at}]`, ['role', 'content']));
  if (messages.length === 1 && typeof first.content === 'string') return first.content;
  return messages.flatMap(({ content }, at) => toBlocks(content, `messages[${at}].content`, ['text'], own));
}

function toTurn(message: ChatMessage, where: string, own: boolean): Turn {
  const { role, content } = message;
  if (role === 'user') {
    allowFields(message, where, ['role', 'content']);
    if (typeof content === 'string') return { role, content };
    return { role, content: toBlocks(content, `${where}.content`, ['text', 'image_url', 'file'], own) };
  }
  if (role === 'assistant') return { role, content: toAssistantContent(message, where, own) };
  if (role === 'system' && own)
    return {
      role,
      content: typeof content === 'string' ? content : toBlocks(content, `${where}.content`, ['text'], own),
    };
  if (role === 'system' || role === 'developer')
    throw untranslatable(`${where}.role`, `it is "${role}", which Anthropic takes only before all other messages`);
  throw untranslatable(
    `${where}.role`,
    `it is "${role}", which Anthropic does not know; send tool calls and results instead`,
  );
}

function toAssistantContent(message: ChatMessage, where: string, own: boolean): string | Json[] {
  const { content, refusal, tool_calls: calls, thinking_blocks: thoughts } = message;
  // `reasoning_content` alone is another model's thinking: nobody can be told to take it for its own.
  allowFields(message, where, ['role', 'content', 'refusal', 'tool_calls', ...OF_ITS_MAKER], EMPTY_ANSWER_FIELDS);
  const whole = saidWhole(message);
  if (whole !== undefined) return whole;
  if (calls === undefined && thoughts === undefined && !given(refusal) && typeof content === 'string') return content;
  const said =
    typeof content === 'string'
      ? content === ''
        ? []
        : [textBlock(content)]
      : toBlocks(content, `${where}.content`, ['text', 'refusal'], own);
  if (textOf(refusal) !== '') said.push(textBlock(textOf(refusal)));
  const uses = listOf(calls).map((call, at) => toToolUse(call, `${where}.tool_calls[${at}]`));
  return [...listOf(thoughts).filter(isSigned), ...said, ...uses];
}

/** The blocks that the message keeps, but what Anthropic would refuse. */
function saidWhole(message: ChatMessage): Json[] | undefined {
  const blocks = keptBlocks(message).filter((block) => !isThought(block) || isSigned(block));
  if (blocks.length === 0 || !sayTheSame(blocks, message)) return undefined;
  return blocks
    .filter(({ text }) => text !== '')
    .map((block) => (block['type'] === 'tool_use' ? { ...block, id: idOf(block['id']) } : block));
}

/** Anthropic refuses thinking that it has not signed itself, as another provider's is. */
function isSigned(block: unknown): block is Json {
  return isRecord(block) && (block['type'] === 'redacted_thinking' || textOf(block['signature']) !== '');
}

/** Other providers' ids hold characters that Anthropic refuses: it takes `^[a-zA-Z0-9_-]+$`. */
function idOf(id: unknown): string {
  return textOf(id).replaceAll(/[^\w-]/g, '_');
}

function toToolUse(call: unknown, where: string): Json {
  if (!isRecord(call) || !isRecord(call['function'])) throw untranslatable(where, 'it is no function call');
  const { name, arguments: text } = call['function'];
  let input: unknown;
  try {
    input = textOf(text) === '' ? {} : JSON.parse(textOf(text));
  } catch {
    throw untranslatable(`${where}.function.arguments`, 'it is no JSON, and Anthropic takes an object there');
  }
  if (!isRecord(input))
    throw untranslatable(`${where}.function.arguments`, 'it is no JSON object, which Anthropic wants there');
  return defined({
    type: 'tool_use',
    id: idOf(call['id']),
    name,
    input,
    ...keptFields(call),
    cache_control: call['cache_control'],
  });
}

function toToolResult(message: ChatMessage, where: string, own: boolean): Json {
  allowFields(message, where, ['role', 'content', 'tool_call_id', 'is_error', 'cache_control'], ['name']);
  const { content, tool_call_id: id, is_error: failed, cache_control: cached } = message;
  return defined({
    type: 'tool_result',
    tool_use_id: idOf(id),
    content:
      typeof content === 'string' ? content : toBlocks(content, `${where}.content`, ['text', 'image_url', 'file'], own),
    is_error: failed,
    cache_control: cached,
  });
}

function toBlocks(content: ChatMessage['content'], where: string, allowed: readonly string[], own: boolean): Json[] {
  if (typeof content === 'string') return content === '' ? [] : [textBlock(content)];
  // Anthropic refuses empty blocks of text.
  return (content ?? [])
    .map((part, at) => toBlock(part, `${where}[${at}]`, allowed, own))
    .filter((block) => block['text'] !== '');
}

function toBlock(part: Json, where: string, allowed: readonly string[], own: boolean): Json {
  const { type } = part;
  if (own && typeof type === 'string' && !PARTS.includes(type)) return part;
  if (typeof type !== 'string' || !allowed.includes(type))
    throw untranslatable(`${where}.type`, `it is "${textOf(type)}"; Anthropic can be told here: ${allowed.join(', ')}`);
  const cached = { cache_control: part['cache_control'] };
  if (type === 'text') return defined({ type: 'text', text: part['text'], ...cached });
  // As the refusal of a whole answer: what was said.
  if (type === 'refusal') return textBlock(textOf(part['refusal']));
  if (type === 'image_url')
    return defined({ type: 'image', source: toImage(part['image_url'], `${where}.image_url`), ...cached });
  return defined({ type: 'document', ...toDocument(part['file'], `${where}.file`), ...cached });
}

function toImage(image: unknown, where: string): Json {
  const { url, detail } = isRecord(image) ? image : { url: image, detail: undefined };
  if (given(detail) && detail !== 'auto' && detail !== 'high')
    throw untranslatable(`${where}.detail`, 'it is not known to Anthropic, which takes an image as it is');
  const [, mediaType, data] = DATA_URL.exec(textOf(url)) ?? [];
  if (mediaType !== undefined) return { type: 'base64', media_type: mediaType, data };
  if (/^https?:\/\//.test(textOf(url))) return { type: 'url', url };
  throw untranslatable(`${where}.url`, 'it is neither an http(s) address nor a base64 data URL');
}

function toDocument(file: unknown, where: string): Json {
  const { file_data: text, file_url: url, filename: title }: Json = isRecord(file) ? file : {};
  if (/^https?:\/\//.test(textOf(url))) return { source: { type: 'url', url }, title };
  const [, mediaType, data = ''] = DATA_URL.exec(textOf(text)) ?? [];
  if (mediaType === undefined)
    throw untranslatable(where, 'it holds no file_data as a base64 data URL, the one way to tell Anthropic a file');
  // Anthropic takes text as text, and in base64 PDF alone.
  if (mediaType === PLAIN)
    return { source: { type: 'text', media_type: PLAIN, data: Buffer.from(data, 'base64').toString() }, title };
  return { source: { type: 'base64', media_type: mediaType, data }, title };
}

export function fromTurns({ system, turns }: Conversation): ChatMessage[] {
  const first: ChatMessage[] =
    system === undefined
      ? []
      : typeof system === 'string'
        ? [{ role: 'system', content: system }]
        : system.map((block) => ({ role: 'system', content: [fromBlock(block)] }));
  return [...first, ...turns.flatMap(fromTurn)];
}

function fromTurn({ role, content }: Turn): ChatMessage[] {
  if (typeof content === 'string') return [{ role, content }];
  if (role === 'assistant') return [fromAssistant(content)];
  if (role === 'system') return [{ role, content: content.map(fromBlock) }];
  const results = content.filter(({ type }) => type === 'tool_result');
  const rest = content.filter(({ type }) => type !== 'tool_result').map(fromBlock);
  const messages: ChatMessage[] = results.map(fromToolResult);
  const [only] = rest;
  if (rest.length === 0 && results.length > 0) return messages;
  // After results, one plain text is a message of its own as people write it.
  const plain = results.length > 0 && rest.length === 1 && only !== undefined && isPlainText(only);
  return [...messages, { role: 'user', content: plain ? textOf(only['text']) : rest }];
}

function fromAssistant(said: readonly Json[]): ChatMessage {
  // Unsigned ones are another provider's, shown in this form and sent back: nobody is told them, and strict ones refuse the field.
  const blocks = said.filter((block) => !isThought(block) || isSigned(block));
  const thoughts = blocks.filter(isThought);
  const uses = blocks.filter(({ type }) => type === 'tool_use');
  const texts = blocks.filter((block) => !isThought(block) && block['type'] !== 'tool_use');
  const parts = texts.map(fromBlock);
  const [only] = parts;
  const calls = uses.map((use) =>
    saying({
      id: use['id'],
      type: 'function',
      function: { name: use['name'], arguments: JSON.stringify(use['input'] ?? {}) },
      ...keptOfCall(use),
      cache_control: use['cache_control'],
    }),
  );
  const single =
    parts.length === 1 && only !== undefined && isPlainText(only) && (calls.length > 0 || thoughts.length > 0);
  return {
    role: 'assistant',
    // Null only beside calls: OpenAI refuses an answer that has neither.
    content: parts.length === 0 ? (calls.length === 0 ? '' : null) : single ? textOf(only['text']) : parts,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(thoughts.length === 0 ? {} : { thinking_blocks: thoughts }),
    ...(isTranslatable(blocks) ? {} : { anthropic: { content: blocks } }),
  };
}

function fromToolResult(block: Json): ChatMessage {
  const { tool_use_id: id, content = '', is_error: failed, cache_control: cached } = block;
  return {
    role: 'tool',
    tool_call_id: id,
    content: Array.isArray(content) ? content.filter(isRecord).map(fromBlock) : textOf(content),
    ...saying({ is_error: failed, cache_control: cached }),
  };
}

/** A block for which there is no other word, or not for all of it, stays as it is. */
function fromBlock(block: Json): Json {
  const { type, source, title, cache_control: cached, citations, ...more } = block;
  if (type === 'text') return defined({ type: 'text', text: block['text'], cache_control: cached });
  const isCited = isRecord(citations) && citations['enabled'] === true;
  if ((type !== 'image' && type !== 'document') || !isRecord(source) || isCited || Object.values(more).some(given))
    return block;
  const url =
    source['type'] === 'base64'
      ? `data:${textOf(source['media_type'])};base64,${textOf(source['data'])}`
      : source['url'];
  if (type === 'image')
    return typeof url === 'string' ? defined({ type: 'image_url', image_url: { url }, cache_control: cached }) : block;
  const file = fileOf(source, url);
  if (file === undefined) return block;
  return defined({ type: 'file', file: defined({ ...file, filename: title ?? undefined }), cache_control: cached });
}

/** Of a document's source; undefined for one that only Anthropic knows. `url`: of its data, or its own. */
function fileOf({ type, data }: Json, url: unknown): Json | undefined {
  if (type === 'base64') return { file_data: url };
  if (type === 'text') return { file_data: `data:${PLAIN};base64,${Buffer.from(textOf(data)).toString('base64')}` };
  return type === 'url' ? { file_url: url } : undefined;
}

function isPlainText(part: Json): boolean {
  return part['type'] === 'text' && part['cache_control'] === undefined;
}

function textBlock(text: string): Json {
  return { type: 'text', text };
}

function blocksOf(content: string | Json[]): Json[] {
  if (typeof content !== 'string') return content;
  return content === '' ? [] : [textBlock(content)];
}

/** `empty` may be there as long as they say nothing. */
function allowFields(
  message: ChatMessage,
  where: string,
  known: readonly string[],
  empty: readonly string[] = [],
): void {
  for (const [name, value] of Object.entries(message)) {
    if (known.includes(name) || value === undefined || value === null) continue;
    if (empty.includes(name) && (message.role === 'tool' || (Array.isArray(value) && value.length === 0))) continue;
    throw untranslatable(`${where}.${name}`, 'it is not known to Anthropic');
  }
}
