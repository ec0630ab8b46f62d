/**
 * A whole request between the hub's form and Anthropic's Messages API: messages, tools, sampling, structured answers. A field that
 * cannot be told is refused by name; none is dropped that could change the answer. Who speaks Anthropic's form may ask for what the hub
 * does not know: it travels as it is, for Anthropic alone. Shapes after https://docs.anthropic.com/en/api/messages.
 */
import type { ChatRequest } from '#contract/chat';
import type { Surface } from '#contract/gateway';
import { defined, given, isRecord, saying, textOf } from '../json.ts';
import { untranslatable } from '../untranslatable.ts';
import type { Json } from '../json.ts';
import { listOf } from './blocks.ts';
import { fromTurns, toTurns } from './messages.ts';
import type { Turn } from './messages.ts';
import { NO_THINKING, toThinking } from './thinking.ts';

export interface MessagesRequest {
  model: string;
  max_tokens: number;
  messages: Turn[];
  system?: string | Json[];
  [field: string]: unknown;
}

/** A tool that stands for "answer with a JSON object": Anthropic's other way wants a schema, and this wish has none. */
export const JSON_TOOL = 'json_answer';

/** Told as they are: Anthropic's own, or the same on both sides. */
const SAME = [
  'top_p',
  'top_k',
  'thinking',
  'cache_control',
  'container',
  'mcp_servers',
  'context_management',
  'inference_geo',
  'speed',
];
/** Of a tool, beyond what it is called and takes: for Anthropic alone. */
const TOOL_SAME = ['cache_control', 'allowed_callers', 'defer_loading', 'eager_input_streaming', 'input_examples'];
/**
 * Of a caller of Anthropic's form alone: fields that the hub does not know, by their own names, and the features that he switches on by the
 * header `anthropic-beta`, which other clouds that have Claude take as this field.
 */
const OWN = ['anthropic', 'anthropic_beta'];
/** https://platform.claude.com/docs/en/api/beta-headers */
const BETA = /^[\w.-]+$/;
/** Translated below, or of the hub's own. */
const TRANSLATED = [
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'stop',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
  'output_config',
  'service_tier',
  'user',
  'n',
];
/** Anthropic's word for each `service_tier` that it has. */
const TIERS: readonly (readonly [hub: string, anthropic: string])[] = [
  ['auto', 'auto'],
  ['default', 'standard_only'],
];
/** Left out: they say nothing about the answer. */
const UNSAID = ['metadata', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention'];
/** Fields whose value says "as ever": refused only where they say more. */
const NEUTRAL: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>(
  Object.entries({
    logprobs: [false],
    presence_penalty: [0],
    frequency_penalty: [0],
    top_logprobs: [0],
    store: [false],
    verbosity: ['medium'],
  }),
);

/** `maxTokens`: where the request sets none, since Anthropic demands a bound. Throws `UpstreamFailure('untranslatable')`. */
export function toMessagesRequest(
  request: ChatRequest,
  model: string,
  maxTokens: number,
  surface: Surface = 'openai',
): MessagesRequest {
  const own = surface === 'anthropic';
  refuseUnknown(request, own ? OWN : []);
  const { system, turns } = toTurns(request.messages, own);
  const limit = numberOf(request['max_completion_tokens']) ?? numberOf(request['max_tokens']) ?? maxTokens;
  const tools = { ...toTools(request, own), ...toFormat(request) };
  const thought = toThinking(request['reasoning_effort'], model);
  // A forced call beside it is refused. The choice decides what is answered, the effort but how long it is thought of.
  const { thinking, output_config: effort, tokens } = isForced(tools['tool_choice']) ? NO_THINKING : thought;
  return {
    model,
    // Thinking counts against the bound, and a bound on the answer must not be eaten up by it.
    max_tokens: limit + tokens,
    ...(system === undefined ? {} : { system }),
    messages: turns,
    ...(isRecord(request['anthropic']) ? request['anthropic'] : {}),
    ...defined({
      temperature: toTemperature(request['temperature']),
      stop_sequences: typeof request['stop'] === 'string' ? [request['stop']] : (request['stop'] ?? undefined),
      thinking,
      service_tier: toTier(request['service_tier'], own),
      ...Object.fromEntries(SAME.filter((name) => given(request[name])).map((name) => [name, request[name]])),
      metadata: given(request['user']) ? { user_id: request['user'] } : undefined,
      ...tools,
      output_config: toOutput(effort, request['output_config'], tools['output_config']),
    }),
  };
}

/** Anthropic's own field, for whose parts the hub's form has words too. */
function toOutput(...parts: readonly unknown[]): Json | undefined {
  const said = parts.filter(isRecord);
  return said.length === 0 ? undefined : Object.fromEntries(said.flatMap((fields) => Object.entries(fields)));
}

/** https://platform.claude.com/docs/en/build-with-claude/extended-thinking: it goes with `auto` and `none` alone. */
function isForced(choice: unknown): boolean {
  return isRecord(choice) && (choice['type'] === 'any' || choice['type'] === 'tool');
}

/** What of a request its tokens are counted of; Anthropic refuses all else where it only counts. Throws as `toMessagesRequest` does. */
const COUNTED = [
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'cache_control',
  'output_config',
  'mcp_servers',
  'context_management',
  'speed',
];

export function toCountRequest(request: ChatRequest, model: string, surface: Surface): Json {
  const whole = Object.entries(toMessagesRequest(request, model, 1, surface));
  return Object.fromEntries(whole.filter(([name]) => COUNTED.includes(name)));
}

/** The features that the caller has switched on. */
export function betasOf({ anthropic_beta: betas }: ChatRequest): string[] {
  return listOf(betas).filter((name): name is string => typeof name === 'string' && BETA.test(name));
}

function refuseUnknown(request: ChatRequest, known: readonly string[]): void {
  for (const [name, value] of Object.entries(request)) {
    if (!given(value) || [TRANSLATED, SAME, UNSAID, known].some((names) => names.includes(name))) continue;
    if (NEUTRAL.get(name)?.includes(value) === true) continue;
    throw untranslatable(name, 'Anthropic has nothing like it');
  }
  if (given(request['n']) && request['n'] !== 1)
    throw untranslatable('n', 'it is more than 1, and Anthropic gives one answer');
}

function toTemperature(value: unknown): unknown {
  if (!given(value)) return undefined;
  if (typeof value === 'number' && value > 1)
    throw untranslatable('temperature', 'it is above 1, which is the most that Anthropic takes');
  return value;
}

/** Anthropic's own word is taken too: a request of its form may pass through here. */
function toTier(tier: unknown, own: boolean): unknown {
  if (!given(tier)) return undefined;
  const [, told] = TIERS.find((words) => words.some((word) => word === tier)) ?? [];
  if (told === undefined && own) return tier;
  if (told === undefined) throw untranslatable('service_tier', 'it must be auto or default for Anthropic');
  return told;
}

function toFormat(request: ChatRequest): Json {
  const format = request['response_format'];
  if (!isRecord(format) || format['type'] === 'text') return {};
  if (format['type'] === 'json_schema' && isRecord(format['json_schema']))
    return { output_config: { format: { type: 'json_schema', schema: format['json_schema']['schema'] } } };
  if (format['type'] !== 'json_object')
    throw untranslatable('response_format.type', `it is "${textOf(format['type'])}"`);
  for (const [beside, name] of [
    [given(request['tools']), 'tools'],
    [isRecord(request['thinking']) && request['thinking']['type'] !== 'disabled', 'thinking'],
  ] as const)
    if (beside)
      throw untranslatable(
        'response_format',
        `it asks for a JSON object beside ${name}; give Anthropic a json_schema instead`,
      );
  return {
    tools: [
      {
        name: JSON_TOOL,
        description: 'Gives the answer, a JSON object.',
        input_schema: { type: 'object', additionalProperties: true },
      },
    ],
    tool_choice: { type: 'tool', name: JSON_TOOL },
  };
}

function toTools(request: ChatRequest, own: boolean): Json {
  const { tools, tool_choice: choice, parallel_tool_calls: parallel } = request;
  if (!Array.isArray(tools) || tools.length === 0) return {};
  const single = parallel === false ? { disable_parallel_tool_use: true } : {};
  const chosen = toToolChoice(choice) ?? (parallel === false ? { type: 'auto' } : undefined);
  const more = chosen?.['type'] === 'none' ? {} : single;
  return {
    tools: tools.map((tool: unknown, at) => toTool(tool, `tools[${at}]`, own)),
    ...(chosen === undefined ? {} : { tool_choice: { ...chosen, ...more } }),
  };
}

function toTool(tool: unknown, where: string, own: boolean): Json {
  if (own && isRecord(tool) && tool['type'] !== 'function') return tool;
  if (!isRecord(tool) || tool['type'] !== 'function' || !isRecord(tool['function']))
    throw untranslatable(`${where}.type`, 'it is not "function", the one kind that both sides know');
  const { name, description, parameters, strict } = tool['function'];
  const { type: _, function: __, ...more } = tool;
  return defined({
    name,
    description,
    input_schema: parameters ?? { type: 'object', properties: {} },
    strict: strict === true ? true : undefined,
    ...(own ? more : Object.fromEntries(TOOL_SAME.map((field) => [field, tool[field]]))),
  });
}

function toToolChoice(choice: unknown): Json | undefined {
  if (!given(choice)) return undefined;
  if (choice === 'auto' || choice === 'none') return { type: choice };
  if (choice === 'required') return { type: 'any' };
  if (isRecord(choice) && choice['type'] === 'function' && isRecord(choice['function']))
    return { type: 'tool', name: choice['function']['name'] };
  throw untranslatable('tool_choice', 'it is none of auto, none, required and a function');
}

/** The other way: what a caller of the Messages API asks, in the hub's form. `betas`: the features that he switches on. */
export function fromMessagesRequest(request: MessagesRequest, betas: readonly string[] = []): ChatRequest {
  const { model, max_tokens: limit, messages, system, ...rest } = request;
  const { stop_sequences: stop, metadata, tools, tool_choice: choice, output_config: output, stream, ...more } = rest;
  const { service_tier: tier, temperature, ...others } = more;
  const fields = Object.entries(others).filter(([, value]) => given(value));
  const same = fields.filter(([name]) => SAME.includes(name));
  const own = fields.filter(([name]) => !SAME.includes(name));
  return {
    model,
    messages: fromTurns({ system, turns: messages }),
    max_completion_tokens: limit,
    ...saying({ stream, temperature, ...Object.fromEntries(same), stop, service_tier: fromTier(tier) }),
    ...(own.length > 0 && { anthropic: Object.fromEntries(own) }),
    ...(betas.length > 0 && { anthropic_beta: betas }),
    ...(isRecord(metadata) && given(metadata['user_id']) ? { user: textOf(metadata['user_id']) } : {}),
    ...(Array.isArray(tools) ? { tools: tools.map(fromTool) } : {}),
    ...fromToolChoice(choice),
    ...fromOutput(output),
  };
}

/** One that Anthropic runs itself, or whose schema it knows, stays as it is. */
function fromTool(tool: unknown): unknown {
  if (!isRecord(tool) || (given(tool['type']) && tool['type'] !== 'custom')) return tool;
  const { type: _, name, description, input_schema: parameters, strict, ...more } = tool;
  return { type: 'function', function: defined({ name, description, parameters, strict }), ...saying(more) };
}

function fromToolChoice(choice: unknown): Json {
  if (!isRecord(choice)) return {};
  const { type, name, disable_parallel_tool_use: single } = choice;
  const parallel = single === true ? { parallel_tool_calls: false } : {};
  if (type === 'tool') return { tool_choice: { type: 'function', function: { name } }, ...parallel };
  return { tool_choice: type === 'any' ? 'required' : type, ...parallel };
}

/** Of its parts only a schema has another word. */
function fromOutput(output: unknown): Json {
  if (!isRecord(output)) return {};
  const { format, ...more } = output;
  const isSchema = isRecord(format) && format['type'] === 'json_schema';
  const own = saying(isSchema ? more : output);
  return {
    ...(isSchema && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: format['schema'] } },
    }),
    ...(Object.keys(own).length > 0 && { output_config: own }),
  };
}

function fromTier(tier: unknown): unknown {
  return TIERS.find(([, word]) => word === tier)?.[0] ?? tier;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
