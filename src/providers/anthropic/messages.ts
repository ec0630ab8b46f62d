/**
 * The messages of a chat as turns of Anthropic's Messages API: system text apart, tool results in one user turn, pictures as sources.
 * The instructions of a conversation all stand before it, wherever they stood: what Anthropic's own OpenAI endpoint does with them
 * (https://platform.claude.com/docs/en/api/openai-sdk). Reasoning travels back only where it is signed (`thinking_blocks`).
 */
import type { ChatMessage } from '#contract/chat';
import { cacheControl, isFields, onlyFields, textOr, untold } from './told.ts';
import type { Fields } from './told.ts';

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: string | readonly Fields[];
}

interface Conversation {
  readonly system: string | readonly Fields[] | undefined;
  readonly messages: readonly Turn[];
}

/** Throws `UpstreamFailure('untranslatable')` with the path of what cannot be told. `prefill`: whether an assistant may have begun. */
export function conversationOf(messages: readonly ChatMessage[], prefill: boolean): Conversation {
  const system: (string | readonly Fields[])[] = [];
  const turns: Turn[] = [];
  /** The user turn under way, while it holds tool results and nothing else. */
  let results: Fields[] | null = null;
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`;
    if (message.role === 'tool') {
      if (results === null) turns.push({ role: 'user', content: (results = []) });
      results.push(toolResult(message, path));
      continue;
    }
    if (message.role === 'system' || message.role === 'developer') {
      onlyFields(message, ['role', 'content'], path);
      system.push(contentOf(message.content, `${path}.content`, textPart));
      continue;
    }
    const turn = turnOf(message, path);
    if (results !== null && turn.role === 'user') results.push(...blocksOf(turn.content));
    else if (turn.content.length > 0) turns.push(turn);
    results = null;
  }
  const last = turns.at(-1);
  if (last?.role === 'assistant') {
    if (!prefill)
      throw untold(
        `messages[${messages.length - 1}]`,
        'begins the answer (prefill), which is switched off for this provider',
      );
    turns[turns.length - 1] = begun(last);
  }
  return { system: system.length > 1 ? system.flatMap(blocksOf) : system[0], messages: turns };
}

function turnOf(message: ChatMessage, path: string): Turn {
  switch (message.role) {
    case 'user':
      onlyFields(message, ['role', 'content'], path);
      return { role: 'user', content: contentOf(message.content, `${path}.content`, userPart) };
    case 'assistant':
      return { role: 'assistant', content: assistantContent(message, path) };
    default:
      throw untold(`${path}.role`, `is ${JSON.stringify(message.role)}, which has no counterpart in the Messages API`);
  }
}

/** An answer that was begun must not end in white space, or Anthropic refuses it. */
function begun(turn: Turn): Turn {
  if (typeof turn.content === 'string') return { ...turn, content: turn.content.trimEnd() };
  const last = turn.content.at(-1);
  if (last?.['type'] !== 'text') return turn;
  return { ...turn, content: [...turn.content.slice(0, -1), { ...last, text: textOr(last['text'], '').trimEnd() }] };
}

/** Fields of an answer that clients send back as they came and that say nothing the text does not. */
const ANSWER_FIELDS = [
  'role',
  'content',
  'tool_calls',
  'refusal',
  'thinking_blocks',
  'reasoning_content',
  'reasoning',
  'annotations',
];

function assistantContent(message: ChatMessage, path: string): string | Fields[] {
  onlyFields(message, ANSWER_FIELDS, path);
  const { thinking_blocks: thinking, tool_calls: calls, refusal } = message;
  const content = contentOf(message.content ?? textOr(refusal, ''), `${path}.content`, assistantPart);
  const signed = Array.isArray(thinking) ? thinking.filter(isSigned) : [];
  const uses = Array.isArray(calls) ? calls.map((call, at) => toolUse(call, `${path}.tool_calls[${at}]`)) : [];
  return signed.length + uses.length === 0 ? content : [...signed, ...blocksOf(content), ...uses];
}

/** Anthropic refuses thinking that it has not signed itself, as another provider's is. */
function isSigned(block: unknown): block is Fields {
  return isFields(block) && (block['type'] === 'redacted_thinking' || textOr(block['signature'], '') !== '');
}

function toolUse(call: unknown, path: string): Fields {
  if (!isFields(call) || call['type'] !== 'function' || !isFields(call['function']))
    throw untold(path, 'is no call of a function');
  const { id, function: called } = call;
  return {
    type: 'tool_use',
    id: idOf(id),
    name: called['name'],
    input: argumentsOf(called['arguments'], `${path}.function.arguments`),
    ...cacheControl(call),
  };
}

function argumentsOf(text: unknown, path: string): Fields {
  if (text === undefined || text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(textOr(text, ''));
  } catch {
    throw untold(path, 'is no JSON');
  }
  if (!isFields(value)) throw untold(path, 'is no JSON object');
  return value;
}

function toolResult(message: ChatMessage, path: string): Fields {
  // The tool's name stands in the call already.
  onlyFields(message, ['role', 'content', 'tool_call_id', 'name', 'cache_control'], path);
  return {
    type: 'tool_result',
    tool_use_id: idOf(message['tool_call_id']),
    content: contentOf(message.content, `${path}.content`, userPart),
    ...cacheControl(message),
  };
}

/** Other providers' ids hold characters that Anthropic refuses: `^[a-zA-Z0-9_-]+$`. */
function idOf(id: unknown): string {
  return textOr(id, '').replaceAll(/[^\w-]/g, '_');
}

type Part = (part: Fields, path: string) => Fields;

function contentOf(content: ChatMessage['content'], path: string, part: Part): string | Fields[] {
  if (content === undefined || content === null || typeof content === 'string') return content ?? '';
  return content.map((each, at) => part(each, `${path}[${at}]`)).filter((block) => block['text'] !== '');
}

/** Anthropic refuses empty blocks of text. */
function blocksOf(content: string | readonly Fields[]): readonly Fields[] {
  if (typeof content !== 'string') return content;
  return content === '' ? [] : [{ type: 'text', text: content }];
}

function textPart(part: Fields, path: string): Fields {
  if (part['type'] !== 'text')
    throw untold(path, `is of the type ${JSON.stringify(part['type'])}, which cannot stand here`);
  onlyFields(part, ['type', 'text', 'cache_control'], path);
  return { type: 'text', text: textOr(part['text'], ''), ...cacheControl(part) };
}

function assistantPart(part: Fields, path: string): Fields {
  return part['type'] === 'refusal' ? { type: 'text', text: textOr(part['refusal'], '') } : textPart(part, path);
}

function userPart(part: Fields, path: string): Fields {
  if (part['type'] !== 'image_url') return textPart(part, path);
  onlyFields(part, ['type', 'image_url', 'cache_control'], path);
  const { image_url: image } = part;
  // `detail` says how much a look may cost; Anthropic has one way of looking.
  return { type: 'image', source: imageSource(isFields(image) ? image['url'] : image, path), ...cacheControl(part) };
}

const DATA_URL = /^data:(image\/[a-z0-9.+-]+);base64,/i;

function imageSource(url: unknown, path: string): Fields {
  const text = textOr(url, '');
  if (/^https?:\/\//i.test(text)) return { type: 'url', url: text };
  const head = DATA_URL.exec(text);
  if (head === null)
    throw untold(`${path}.image_url.url`, 'is neither an http(s) address nor a base64 data: URL of an image');
  return { type: 'base64', media_type: textOr(head[1], '').toLowerCase(), data: text.slice(head[0].length) };
}
