/**
 * The turns of a Messages request as the messages of a chat: tool results as messages of their own, thinking beside the text it led to,
 * pictures as addresses. What the provider kind `anthropic` makes of them is what came in. `is_error` is left out: a chat's tool
 * message has its text alone.
 */
import type { ChatMessage } from '#contract/chat';
import { given, isFields, listOf, onlyFields, textOr, unsupported } from './fields.ts';
import type { Fields } from './fields.ts';

/** Throws `CallerError` with the path of what a chat cannot hold. */
export function chatMessages(system: unknown, turns: readonly Fields[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (typeof system === 'string') messages.push({ role: 'system', content: system });
  else if (Array.isArray(system)) messages.push({ role: 'system', content: parts(listOf(system), 'system', textPart) });
  for (const [index, turn] of turns.entries()) {
    const path = `messages[${index}]`;
    onlyFields(turn, 'role content', `${path}.`);
    const { role, content } = turn;
    if (role !== 'user' && role !== 'assistant') throw unsupported(`${path}.role`, 'must be user or assistant');
    if (typeof content === 'string') messages.push({ role, content });
    else if (role === 'user') messages.push(...userMessages(listOf(content), `${path}.content`));
    else messages.push(assistantMessage(listOf(content), `${path}.content`));
  }
  return messages;
}

function userMessages(blocks: readonly Fields[], path: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  const rest: Fields[] = [];
  for (const [index, block] of blocks.entries()) {
    const at = `${path}[${index}]`;
    if (block['type'] === 'tool_result') messages.push(toolMessage(block, at));
    else rest.push(userPart(block, at));
  }
  if (rest.length > 0) messages.push({ role: 'user', content: messages.length > 0 ? plain(rest) : rest });
  return messages;
}

function toolMessage(block: Fields, path: string): ChatMessage {
  onlyFields(block, 'type tool_use_id content is_error cache_control', `${path}.`);
  const { content, tool_use_id: id } = block;
  return {
    role: 'tool',
    tool_call_id: id,
    content: Array.isArray(content) ? parts(listOf(content), `${path}.content`, userPart) : textOr(content, ''),
    ...given('cache_control', block['cache_control']),
  };
}

function assistantMessage(blocks: readonly Fields[], path: string): ChatMessage {
  const thinking: Fields[] = [];
  const text: Fields[] = [];
  const calls: Fields[] = [];
  for (const [index, block] of blocks.entries()) {
    const at = `${path}[${index}]`;
    const { type } = block;
    if (type === 'thinking' || type === 'redacted_thinking') thinking.push(block);
    else if (type === 'tool_use') calls.push(toolCall(block, at));
    else text.push(textPart(block, at));
  }
  const alone = thinking.length + calls.length === 0;
  return {
    role: 'assistant',
    content: alone ? text : text.length === 0 ? null : plain(text),
    ...(thinking.length === 0 ? {} : { thinking_blocks: thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function toolCall(block: Fields, path: string): Fields {
  onlyFields(block, 'type id name input cache_control', `${path}.`);
  const { id, name, input } = block;
  return {
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(input ?? {}) },
    ...given('cache_control', block['cache_control']),
  };
}

/** One text without a mark is a text: what every provider understands. */
function plain(content: readonly Fields[]): string | readonly Fields[] {
  const [first] = content;
  const bare = content.length === 1 && first?.['type'] === 'text' && first['cache_control'] === undefined;
  return bare ? textOr(first['text'], '') : content;
}

function parts(blocks: readonly Fields[], path: string, part: (block: Fields, path: string) => Fields): Fields[] {
  return blocks.map((block, index) => part(block, `${path}[${index}]`));
}

function textPart(block: Fields, path: string): Fields {
  if (block['type'] !== 'text')
    throw unsupported(path, `is of the type ${JSON.stringify(block['type'])}, which is not supported here`);
  onlyFields(block, 'type text cache_control', `${path}.`);
  return { type: 'text', text: block['text'], ...given('cache_control', block['cache_control']) };
}

function userPart(block: Fields, path: string): Fields {
  if (block['type'] !== 'image') return textPart(block, path);
  onlyFields(block, 'type source cache_control', `${path}.`);
  const { source } = block;
  return {
    type: 'image_url',
    image_url: { url: addressOf(isFields(source) ? source : {}, `${path}.source`) },
    ...given('cache_control', block['cache_control']),
  };
}

function addressOf({ type, url, media_type: media, data }: Fields, path: string): string {
  if (type === 'url') return textOr(url, '');
  if (type !== 'base64') throw unsupported(`${path}.type`, 'must be base64 or url');
  return `data:${textOr(media, '')};base64,${textOr(data, '')}`;
}
