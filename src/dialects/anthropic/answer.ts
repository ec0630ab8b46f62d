/**
 * A whole answer between Anthropic's form and the hub's: content, tool calls, thoughts, why it ended, what it used. Refuses what is no
 * answer. Shapes after https://docs.anthropic.com/en/api/messages.
 */
import type { ChatCompletion, Usage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { besides, countOf, defined, isRecord, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { thoughtOf } from '../thought.ts';
import { isThought, isTranslatable, keptBlocks, keptFields, keptOfCall, MESSAGE_FIELDS, sayTheSame } from './blocks.ts';
import { JSON_TOOL } from './request.ts';

const FINISH: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};
const STOP: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'refusal',
};

/**
 * A reason without a word in the hub's form is passed on as it is, so that a client shows what it does not know: one that Anthropic has
 * added since, and `pause_turn`, which no client may take for the end of the answer.
 */
export function toFinishReason(stopReason: unknown, jsonAnswer: boolean): string {
  if (jsonAnswer && stopReason === 'tool_use') return 'stop';
  return FINISH[textOf(stopReason)] ?? textOf(stopReason);
}

/**
 * `called`: it holds calls of tools. OpenAI ends such an answer with `stop` where the tool was forced, and others always do; who speaks to
 * Anthropic runs the tools of `tool_use` alone.
 */
function toStopReason(finishReason: string | null | undefined, called: boolean): string | null {
  if (called && finishReason === 'stop') return 'tool_use';
  return finishReason === null || finishReason === undefined ? null : (STOP[finishReason] ?? finishReason);
}

/** Which of the texts to stop at it stopped at, in vLLM's word: OpenAI has none. */
export function toStopped({ stop_reason: reason, stop_sequence: sequence }: Json): Json {
  return reason === 'stop_sequence' && typeof sequence === 'string' ? { stop_reason: sequence } : {};
}

/** Why it ended, and at which of `stops`, those that were asked for: others than vLLM may mean something else by the field. */
export function fromStopped(finish: unknown, stopped: unknown, called: boolean, stops: readonly string[]): Json {
  const reason = toStopReason(typeof finish === 'string' ? finish : null, called);
  const sequence = reason === 'end_turn' ? stops.find((stop) => stop === stopped) : undefined;
  return { stop_reason: sequence === undefined ? reason : 'stop_sequence', stop_sequence: sequence ?? null };
}

/** Of `usage`, what is translated. */
const COUNTS = ['input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'];

/** Tokens read from or written to the cache are input too. Null where Anthropic said nothing. */
export function toUsage(usage: unknown): Usage | null {
  if (!isRecord(usage)) return null;
  const cached = countOf(usage['cache_read_input_tokens']);
  const written = countOf(usage['cache_creation_input_tokens']);
  const prompt = countOf(usage['input_tokens']) + cached + written;
  const completion = countOf(usage['output_tokens']);
  const own = besides(usage, COUNTS);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, ...(written === 0 ? {} : { cache_creation_tokens: written }) },
    ...(Object.keys(own).length > 0 && { anthropic: own }),
  };
}

export function fromUsage(usage: Usage | null | undefined): Json {
  const details = isRecord(usage?.['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {};
  const cached = countOf(details['cached_tokens']);
  // The second is OpenRouter's.
  const written = countOf(details['cache_creation_tokens'] ?? details['cache_write_tokens']);
  return {
    input_tokens: Math.max(0, countOf(usage?.prompt_tokens) - cached - written),
    output_tokens: countOf(usage?.completion_tokens),
    ...(cached === 0 ? {} : { cache_read_input_tokens: cached }),
    ...(written === 0 ? {} : { cache_creation_input_tokens: written }),
    ...(isRecord(usage?.['anthropic']) && usage['anthropic']),
  };
}

/** `created` in seconds. Throws `UpstreamFailure('malformed')` for what is no message. */
export function toCompletion(value: unknown, created: number): ChatCompletion {
  if (!isRecord(value) || !Array.isArray(value['content']) || value['type'] !== 'message')
    throw new UpstreamFailure('malformed', 'The upstream answered with JSON that is no message.');
  const { id, model, stop_reason: reason, usage } = value;
  const blocks = value['content'].filter(isRecord);
  const jsonAnswer = blocks.find(({ type, name }) => type === 'tool_use' && name === JSON_TOOL);
  const thoughts = blocks.filter(isThought);
  const texts = blocks.filter(({ type }) => type === 'text').map(({ text }) => textOf(text));
  const calls = blocks.filter((block) => block['type'] === 'tool_use' && block !== jsonAnswer);
  const content = jsonAnswer === undefined ? texts.join('') : JSON.stringify(jsonAnswer['input']);
  const isWhole = jsonAnswer !== undefined || isTranslatable(blocks);
  const own = { ...besides(value, MESSAGE_FIELDS), ...(isWhole ? {} : { content: blocks }) };
  return {
    id: textOf(id),
    object: 'chat.completion',
    created,
    model: textOf(model),
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: content === '' && calls.length > 0 ? null : content,
          refusal: null,
          ...defined({
            reasoning_content:
              thoughts.length === 0 ? undefined : thoughts.map(({ thinking }) => textOf(thinking)).join(''),
            thinking_blocks: thoughts.length === 0 ? undefined : thoughts,
            tool_calls: calls.length === 0 ? undefined : calls.map(toToolCall),
            anthropic: Object.keys(own).length === 0 ? undefined : own,
          }),
        },
        logprobs: null,
        finish_reason: toFinishReason(reason, jsonAnswer !== undefined),
        ...toStopped(value),
      },
    ],
    usage: toUsage(usage),
  };
}

function toToolCall(use: Json): Json {
  const { id, name, input } = use;
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) }, ...keptOfCall(use) };
}

/** The first choice as Anthropic would word it. `stops`: where it was asked to stop. */
export function fromCompletion(completion: ChatCompletion, stops: readonly string[] = []): Json {
  const [choice] = completion.choices;
  const message: Json = choice?.message ?? {};
  const { content, tool_calls: calls, thinking_blocks: thoughts, refusal } = message;
  const text = textOf(content) === '' ? textOf(refusal) : textOf(content);
  const kept = keptBlocks(message);
  return {
    id: completion.id,
    type: 'message',
    role: 'assistant',
    model: completion.model,
    content:
      kept.length > 0 && sayTheSame(kept, message)
        ? kept
        : [
            ...(Array.isArray(thoughts) ? thoughts.filter(isRecord) : unsigned(thoughtOf(message))),
            ...(text === '' ? [] : [{ type: 'text', text }]),
            ...(Array.isArray(calls) ? calls.filter(isRecord).map(fromToolCall) : []),
          ],
    ...fromStopped(choice?.finish_reason, choice?.['stop_reason'], Array.isArray(calls) && calls.length > 0, stops),
    usage: fromUsage(completion.usage),
    ...keptFields(message),
  };
}

/** Another provider's thinking: as a stream shows it, which has a block for it too. */
function unsigned(thinking: string): Json[] {
  return thinking === '' ? [] : [{ type: 'thinking', thinking, signature: '' }];
}

function fromToolCall(call: Json): Json {
  const { id, function: called } = call;
  const { name, arguments: text } = isRecord(called) ? called : { name: '', arguments: '' };
  return { type: 'tool_use', id, name, input: parsedObject(textOf(text)), ...keptFields(call) };
}

/** A model may write arguments that are no JSON; a caller of this API gets an object all the same. */
function parsedObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text);
    return isRecord(value) ? value : { value };
  } catch {
    return { invalid_arguments: text };
  }
}
