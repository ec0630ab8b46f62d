/**
 * A whole answer of the hub's form as OpenAI's Response: what of the request it repeats, its items, why it ended, what it used. Shapes
 * after https://platform.openai.com/docs/api-reference/responses/object.
 */
import type { ChatCompletion, Usage } from '#contract/chat';
import { countOf, defined, isRecord, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { thoughtOf } from '../thought.ts';
import type { ResponsesRequest } from './request.ts';

export type Status = 'completed' | 'incomplete';

/** Reasons of a chat after which nothing is missing. */
const WHOLE: readonly unknown[] = ['stop', 'tool_calls', 'function_call'];
const INCOMPLETE: Readonly<Record<string, string>> = { length: 'max_output_tokens' };

/** A Response that has not begun: what it repeats of its request. The hub keeps none, whatever was asked. */
export function responseTo(request: ResponsesRequest, id: string): Json {
  const {
    instructions,
    max_output_tokens: limit,
    max_tool_calls: calls,
    metadata,
    parallel_tool_calls: parallel,
  } = request;
  const { reasoning, temperature, text, tool_choice: choice, tools, top_p: topP, user } = request;
  const { prompt_cache_key: cacheKey, safety_identifier: safety, service_tier: tier } = request;
  return {
    id,
    object: 'response',
    created_at: 0,
    status: 'in_progress',
    access_programs: null,
    background: false,
    completed_at: null,
    error: null,
    incomplete_details: null,
    instructions: instructions ?? null,
    max_output_tokens: limit ?? null,
    max_tool_calls: calls ?? null,
    metadata: metadata ?? {},
    model: request.model,
    output: [],
    parallel_tool_calls: parallel ?? true,
    previous_response_id: null,
    prompt_cache_key: cacheKey ?? null,
    reasoning: { effort: null, summary: null, ...recordOf(reasoning) },
    safety_identifier: safety ?? null,
    service_tier: tier ?? null,
    store: false,
    temperature: temperature ?? null,
    text: { ...recordOf(text), format: recordOf(text)['format'] ?? { type: 'text' } },
    tool_choice: choice ?? 'auto',
    tools: Array.isArray(tools)
      ? tools.map((tool: unknown) => ({ parameters: null, strict: null, ...recordOf(tool) }))
      : [],
    top_logprobs: 0,
    top_p: topP ?? null,
    truncation: 'disabled',
    usage: null,
    user: user ?? null,
  };
}

function recordOf(value: unknown): Json {
  return isRecord(value) ? value : {};
}

/** Each item has an id of its own, by its place. */
export function itemId(prefix: 'rs' | 'msg' | 'fc', { id }: Json, at: number): string {
  return `${prefix}_${textOf(id).replace(/^resp_/, '')}_${at}`;
}

/**
 * A reason without a word in this form is passed on as it is, and nobody takes what it ended for a whole answer: `error` of the last resort,
 * what a provider has added.
 */
export function endingOf(finishReason: string | null | undefined): { status: Status; incomplete_details: Json | null } {
  if (WHOLE.includes(finishReason)) return { status: 'completed', incomplete_details: null };
  const reason = finishReason ?? 'unknown';
  return { status: 'incomplete', incomplete_details: { reason: INCOMPLETE[reason] ?? reason } };
}

/** Null where the provider did not say. */
export function fromUsage(usage: Usage | null | undefined): Json | null {
  if (usage === null || usage === undefined) return null;
  const { prompt_tokens_details: read, completion_tokens_details: written } = usage;
  const [prompt, completion] = [recordOf(read), recordOf(written)];
  const [input, output] = [countOf(usage.prompt_tokens), countOf(usage.completion_tokens)];
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: countOf(prompt['cached_tokens']),
      cache_write_tokens: countOf(prompt['cache_creation_tokens']),
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: countOf(completion['reasoning_tokens']) },
    total_tokens: input + output,
  };
}

export function summaryPart(text: string): Json {
  return { type: 'summary_text', text };
}

/** What a model lets be seen of its thinking. It is not sealed: what comes back of it is not told to a model. */
export function reasoningItem(id: string, status: Status | 'in_progress', summary: readonly Json[]): Json {
  return { id, type: 'reasoning', status, summary };
}

export type PartKind = 'output_text' | 'refusal';

export function contentPart(kind: PartKind, text: string): Json {
  return kind === 'refusal' ? { type: kind, refusal: text } : { type: kind, text, annotations: [], logprobs: [] };
}

export function messageItem(id: string, status: Status | 'in_progress', content: readonly Json[]): Json {
  return { id, type: 'message', status, role: 'assistant', content };
}

interface Call {
  readonly callId: string;
  readonly name: string;
  readonly text: string;
}

export function callItem(id: string, status: Status | 'in_progress', { callId, name, text }: Call): Json {
  return { id, type: 'function_call', status, call_id: callId, name, arguments: text };
}

/** The first choice as a Response; `response` as `responseTo` makes it. */
export function fromCompletion(completion: ChatCompletion, response: Json): Json {
  const [choice] = completion.choices;
  const said: Json = choice?.message ?? {};
  const { content, refusal, tool_calls: given } = said;
  const ending = endingOf(choice?.finish_reason);
  const calls = Array.isArray(given) ? given.filter(isRecord) : [];
  const parts = [partsOf('output_text', content), partsOf('refusal', refusal)].flat();
  const thought = thoughtOf(said);
  const output: Json[] = [];
  // What something follows was said to its end.
  if (thought !== '') {
    const status = parts.length + calls.length === 0 ? ending.status : 'completed';
    output.push(reasoningItem(itemId('rs', response, 0), status, [summaryPart(thought)]));
  }
  if (parts.length > 0) {
    const status = calls.length === 0 ? ending.status : 'completed';
    output.push(messageItem(itemId('msg', response, output.length), status, parts));
  }
  for (const call of calls) {
    const id = itemId('fc', response, output.length);
    output.push(callItem(id, ending.status, toCall(call, id)));
  }
  return {
    ...response,
    ...ending,
    ...defined({ service_tier: completion['service_tier'] }),
    created_at: completion.created,
    model: completion.model,
    output,
    usage: fromUsage(completion.usage),
  };
}

function partsOf(kind: PartKind, text: unknown): Json[] {
  return textOf(text) === '' ? [] : [contentPart(kind, textOf(text))];
}

/** Its result is sent back under `call_id`: one without an id has that of its item. */
function toCall({ id, function: called }: Json, itself: string): Call {
  const { name, arguments: text } = recordOf(called);
  return { callId: textOf(id) === '' ? itself : textOf(id), name: textOf(name), text: textOf(text) };
}
