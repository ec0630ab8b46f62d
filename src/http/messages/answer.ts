/**
 * A chat completion as a message of Anthropic's Messages API: thinking, then text, then calls. Thinking that nobody signed has an empty
 * signature, by which it is known again when it comes back.
 */
import { UpstreamError } from '#core/errors';
import type { ChatCompletion, Usage } from '#contract/chat';
import { isFields, listOf, textOr } from './fields.ts';
import type { Fields } from './fields.ts';

/** Throws `UpstreamError('upstream_malformed')` where the arguments of a call are no JSON object. */
export function messageOf(completion: ChatCompletion): Fields {
  const { id, model, choices, usage } = completion;
  const [choice] = choices;
  const answer: Fields = choice?.message ?? {};
  const text = textOr(answer['content'], textOr(answer['refusal'], ''));
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [
      ...thinkingOf(answer),
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...listOf(answer['tool_calls']).map((call) => toolUse(call)),
    ],
    stop_reason: stopReason(choice?.finish_reason),
    stop_sequence: null,
    usage: messageUsage(usage),
  };
}

function thinkingOf({ thinking_blocks: signed, reasoning_content: reasoning }: Fields): readonly Fields[] {
  if (Array.isArray(signed)) return listOf(signed);
  const thinking = textOr(reasoning, '');
  return thinking === '' ? [] : [{ type: 'thinking', thinking, signature: '' }];
}

function toolUse({ id, function: called }: Fields): Fields {
  const { name, arguments: text } = isFields(called) ? called : {};
  return { type: 'tool_use', id, name, input: inputOf(textOr(text, '')) };
}

function inputOf(text: string): Fields {
  if (text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(error);
  }
  if (!isFields(value)) throw malformed();
  return value;
}

function malformed(cause?: unknown): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The model called a tool with arguments that are no JSON object.', {
    cause,
  });
}

const STOP_REASONS = new Map<unknown, string>([
  ['length', 'max_tokens'],
  ['tool_calls', 'tool_use'],
  ['content_filter', 'refusal'],
]);

export function stopReason(finish: unknown): string {
  return STOP_REASONS.get(finish) ?? 'end_turn';
}

/** OpenAI counts all of the prompt; Anthropic counts apart what was read from a cache and written to it. */
export function messageUsage(usage: Usage | null | undefined): Fields {
  const details = usage?.['prompt_tokens_details'];
  const { cached_tokens: read, cache_creation_tokens: written } = isFields(details) ? details : {};
  const cached = count(read) + count(written);
  return {
    input_tokens: Math.max(count(usage?.prompt_tokens) - cached, 0),
    cache_creation_input_tokens: count(written),
    cache_read_input_tokens: count(read),
    output_tokens: count(usage?.completion_tokens),
  };
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
