/**
 * An answer of Anthropic's Messages API as a chat completion. Text, calls of tools and thinking are passed on; blocks of a kind that
 * only a tool of Anthropic's own makes are not, since such a tool cannot be asked for here. Refuses what is no message.
 */
import { isUtf8 } from 'node:buffer';
import type { ChatCompletion, Usage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { parseErrorBody } from '../openai-body.ts';
import { isFields, textOr } from './told.ts';
import type { Fields } from './told.ts';

/** `created`: seconds since 1970, which Anthropic does not say. Throws `UpstreamFailure`: `reported` or `malformed`. */
export function completionOf(bytes: Buffer, status: number, created: number): ChatCompletion {
  const message = isUtf8(bytes) ? parseFields(bytes.toString('utf8')) : undefined;
  if (message?.['type'] !== 'message' || !Array.isArray(message['content'])) {
    const body = parseErrorBody(bytes);
    if (body !== undefined)
      throw new UpstreamFailure('reported', 'The upstream reported an error inside a 200.', { status, body });
    throw new UpstreamFailure('malformed', 'The upstream answered with something that is no message.', { status });
  }
  const { id, model, content, stop_reason: stop, usage } = message;
  return {
    id: textOr(id, ''),
    object: 'chat.completion',
    created,
    model: textOr(model, ''),
    choices: [
      { index: 0, message: answerOf(content.filter(isFields)), logprobs: null, finish_reason: finishReason(stop) },
    ],
    usage: usageOf(isFields(usage) ? usage : {}),
  };
}

function answerOf(blocks: readonly Fields[]): { role: string; content: string | null; [field: string]: unknown } {
  const thinking = blocks.filter(isThinking);
  const reasoning = thinking.map((block) => textOr(block['thinking'], '')).join('');
  const text = blocks.filter(({ type }) => type === 'text').map((block) => textOr(block['text'], ''));
  const calls = blocks
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input }) => ({
      id,
      type: 'function',
      function: { name, arguments: JSON.stringify(input ?? {}) },
    }));
  return {
    role: 'assistant',
    content: text.length === 0 ? null : text.join(''),
    refusal: null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(thinking.length === 0 ? {} : { thinking_blocks: thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** Signed, or sealed: to be sent back as it is where the model is to go on from its own thinking. */
export function isThinking({ type }: Fields): boolean {
  return type === 'thinking' || type === 'redacted_thinking';
}

const FINISH_REASONS = new Map<unknown, string>([
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
]);

/** What ends an answer in any other way (`end_turn`, `stop_sequence`, one yet unknown) ends it well. */
export function finishReason(stop: unknown): string {
  return FINISH_REASONS.get(stop) ?? 'stop';
}

/** Anthropic counts apart what it read from its cache and wrote there; OpenAI counts all of it as prompt. */
export function usageOf(usage: Fields): Usage {
  const read = count(usage['cache_read_input_tokens']);
  const written = count(usage['cache_creation_input_tokens']);
  const prompt = count(usage['input_tokens']) + read + written;
  const completion = count(usage['output_tokens']);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: read, cache_creation_tokens: written },
  };
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** The object that a text holds, or undefined. */
export function parseFields(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
