/** What may be told to a model: how long messages are, and that each call of a tool is followed by one result and each result by a call. */
import type { ChatMessage } from '#contract/chat';
import { isRecord } from './arguments.ts';

/** English text has about four characters a token: https://platform.openai.com/tokenizer. */
const CHARS_PER_TOKEN = 4;
/** Providers count an image, a sound or a file as some hundred to some thousand tokens. */
const CHARS_OF_OTHER_PARTS = 4_000;

/** A guess from the length of the text; no bill is made of it. */
export function estimateTokens(messages: readonly ChatMessage[]): number {
  let chars = 0;
  for (const { content, tool_calls: calls } of messages) {
    if (typeof content === 'string') chars += content.length;
    else for (const part of content ?? []) chars += charsOf(part);
    if (calls !== undefined) chars += JSON.stringify(calls).length;
  }
  return Math.ceil(chars / CHARS_PER_TOKEN);
}

function charsOf(part: Record<string, unknown>): number {
  return typeof part['text'] === 'string' ? part['text'].length : CHARS_OF_OTHER_PARTS;
}

/** All text of a message. */
export function textIn({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('\n');
}

/** Ids of the calls that a message makes. */
export function callIdsOf({ role, tool_calls: calls }: ChatMessage): string[] {
  if (role !== 'assistant' || !Array.isArray(calls)) return [];
  return (calls as unknown[]).flatMap((call) => (isRecord(call) && typeof call['id'] === 'string' ? [call['id']] : []));
}

export function toolMessage(callId: string, content: string): ChatMessage {
  return { role: 'tool', tool_call_id: callId, content };
}

/** The same, where a result without its call is left out, and a call without a result has one that says so. */
export function coherent(messages: readonly ChatMessage[]): ChatMessage[] {
  const told: ChatMessage[] = [];
  let open = new Set<string>();
  const close = (): void => {
    for (const id of open) told.push(toolMessage(id, 'No result was given for this call.'));
    open = new Set();
  };
  for (const message of messages) {
    if (message.role === 'tool') {
      const id = message['tool_call_id'];
      if (typeof id === 'string' && open.delete(id)) told.push(message);
      continue;
    }
    close();
    told.push(message);
    open = new Set(callIdsOf(message));
  }
  close();
  return told;
}

/** Without what only the vendor who wrote it understands: whoever goes on with a conversation may be another. */
export function portable(message: ChatMessage): ChatMessage {
  const { role, content, name, refusal, tool_calls: calls, tool_call_id: callId } = message;
  const known = {
    name,
    refusal,
    tool_calls: calls === undefined ? undefined : plainCalls(calls),
    tool_call_id: callId,
  };
  const kept = Object.entries(known).filter(([, value]) => value !== undefined);
  return { role, ...(content === undefined ? {} : { content }), ...Object.fromEntries(kept) };
}

function plainCalls(calls: unknown): unknown {
  if (!Array.isArray(calls)) return calls;
  return (calls as unknown[]).map((call) =>
    isRecord(call) ? { id: call['id'], type: call['type'], function: call['function'] } : call,
  );
}
