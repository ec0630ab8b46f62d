/**
 * A whole request of OpenAI's Responses API in the hub's form: input, tools, sampling, structured answers. What the hub cannot do without
 * keeping responses, or only OpenAI itself can do, is refused by name with what to do instead; fields that it does not know travel along
 * as those of a chat do. Shapes after https://platform.openai.com/docs/api-reference/responses/create.
 */
import type { ChatRequest } from '#contract/chat';
import { defined, given, isRecord, saying, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { untranslatable } from '../untranslatable.ts';
import { toMessages } from './input.ts';

export interface ResponsesRequest {
  model: string;
  input: string | readonly Json[];
  [field: string]: unknown;
}

const AGAIN = 'the hub keeps no responses; send the whole input again, or use a conversation of /api/agents';
const OPENAI_ALONE = 'only OpenAI itself does that';
const OF_CHAT = 'it is a field of /v1/chat/completions; here it is';

/** Why a field is refused wherever it says something. */
const REFUSED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    previous_response_id: AGAIN,
    conversation: AGAIN,
    prompt: 'the hub keeps no prompts; send instructions and input, or use an agent of /api/agents',
    background: 'the hub keeps no responses to fetch later; leave it out and stream the answer',
    context_management: `${OPENAI_ALONE}; shorten the input yourself`,
    moderation: `${OPENAI_ALONE}; a guardrail of the route can judge requests and answers`,
    access_programs: OPENAI_ALONE,
    prompt_cache_options: OPENAI_ALONE,
    image: OPENAI_ALONE,
    top_logprobs: 'log probabilities are told by /v1/chat/completions alone',
    messages: `${OF_CHAT} input`,
    response_format: `${OF_CHAT} text.format`,
    reasoning_effort: `${OF_CHAT} reasoning.effort`,
    verbosity: `${OF_CHAT} text.verbosity`,
    max_tokens: `${OF_CHAT} max_output_tokens`,
    max_completion_tokens: `${OF_CHAT} max_output_tokens`,
    n: 'a response is one answer; ask several times',
  }),
);
/** What says "as ever" of a field that is refused otherwise. */
const NEUTRAL: readonly unknown[] = [undefined, null, false, 0, ''];

const LOGPROBS = 'message.output_text.logprobs';

/** Throws `UpstreamFailure('untranslatable')`, whose body names the field. */
export function toChatRequest(request: ResponsesRequest): ChatRequest {
  for (const [name, why] of REFUSED) if (!NEUTRAL.includes(request[name])) throw untranslatable(name, why);
  // Of `include` there is nothing else in an answer; the bound of `max_tool_calls` is on tools that OpenAI runs.
  const {
    model,
    input,
    instructions,
    store: _store,
    include,
    max_tool_calls: _bound,
    metadata: _echoed,
    ...rest
  } = request;
  const { stream, stream_options: _obfuscation, truncation, max_output_tokens: limit, text, reasoning, ...more } = rest;
  const { tools, tool_choice: choice, ...others } = more;
  if (Array.isArray(include) && include.includes(LOGPROBS))
    throw untranslatable('include', `it asks for "${LOGPROBS}", which /v1/chat/completions alone tells`);
  if (given(truncation) && truncation !== 'disabled')
    throw untranslatable('truncation', 'it is not "disabled", and the hub leaves out nothing of the input');
  return {
    ...Object.fromEntries(Object.entries(saying(others)).filter(([name]) => !REFUSED.has(name))),
    model,
    messages: toMessages(instructions, input),
    ...(stream === true ? { stream, stream_options: { include_usage: true } } : {}),
    ...(given(limit) ? { max_completion_tokens: limit } : {}),
    ...toEffort(reasoning),
    ...toFormat(text),
    ...toTools(tools),
    ...toToolChoice(choice),
  };
}

/** `summary` asks for more of the thinking than other APIs tell: what there is of it, a caller gets in any case. */
function toEffort(reasoning: unknown): Json {
  if (!isRecord(reasoning)) return {};
  const { effort, summary: _summary, generate_summary: _older, ...more } = reasoning;
  refuseMore(more, 'reasoning');
  return given(effort) ? { reasoning_effort: effort } : {};
}

function toFormat(text: unknown): Json {
  if (!isRecord(text)) return {};
  const { format, verbosity, ...more } = text;
  refuseMore(more, 'text');
  return defined({ verbosity: verbosity ?? undefined, response_format: toResponseFormat(format) });
}

function toResponseFormat(format: unknown): Json | undefined {
  if (!given(format)) return undefined;
  const { type, ...schema }: Json = isRecord(format) ? format : {};
  if (type === 'text') return undefined;
  if (type === 'json_object') return { type };
  if (type !== 'json_schema')
    throw untranslatable('text.format.type', `it is "${textOf(type)}", and none of text, json_object and json_schema`);
  return { type, json_schema: saying(schema) };
}

function toTools(tools: unknown): Json {
  if (!Array.isArray(tools) || tools.length === 0) return {};
  return { tools: tools.map((tool: unknown, at) => toTool(tool, `tools[${at}]`)) };
}

function toTool(tool: unknown, where: string): Json {
  const { type, name, description, parameters, strict, ...more }: Json = isRecord(tool) ? tool : {};
  if (type !== 'function')
    throw untranslatable(
      `${where}.type`,
      `it is "${textOf(type)}", a tool of OpenAI’s own, which no other provider has; use a function`,
    );
  refuseMore(more, where);
  return { type, function: saying({ name, description, parameters, strict }) };
}

function toToolChoice(choice: unknown): Json {
  if (!given(choice)) return {};
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { tool_choice: choice };
  if (isRecord(choice) && choice['type'] === 'function' && typeof choice['name'] === 'string')
    return { tool_choice: { type: 'function', function: { name: choice['name'] } } };
  throw untranslatable('tool_choice', 'it is none of auto, none, required and a function by its name');
}

function refuseMore(fields: Json, where: string): void {
  for (const [name, value] of Object.entries(fields))
    if (!NEUTRAL.includes(value)) throw untranslatable(`${where}.${name}`, OPENAI_ALONE);
}
