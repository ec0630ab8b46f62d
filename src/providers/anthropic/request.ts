/**
 * A chat request as a request of Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages). Every field is either
 * translated, or without effect as it stands, or refused by its name.
 */
import type { ChatRequest } from '#contract/chat';
import { conversationOf } from './messages.ts';
import { cacheControl, isEmpty, isFields, onlyFields, untold } from './told.ts';
import type { Fields } from './told.ts';

export interface RequestOptions {
  /** The upstream's own name of the model. */
  readonly model: string;
  readonly stream: boolean;
  /** The tokens of an answer where the caller names no bound: Anthropic wants one. */
  readonly maxTokensDefault: number;
  readonly prefill: boolean;
}

/** Throws `UpstreamFailure('untranslatable')` whose body names the field. */
export function messagesRequest(request: ChatRequest, options: RequestOptions): Fields {
  for (const [name, value] of Object.entries(request)) {
    if (isEmpty(value) || TRANSLATED.has(name) || WITHOUT_EFFECT.get(name)?.(value) === true) continue;
    throw untold(
      name,
      WITHOUT_EFFECT.has(name) ? `cannot be ${JSON.stringify(value)?.slice(0, 100)} there` : undefined,
    );
  }
  const { system, messages } = conversationOf(request.messages, options.prefill);
  return {
    model: options.model,
    max_tokens: request['max_completion_tokens'] ?? request['max_tokens'] ?? options.maxTokensDefault,
    ...given('system', system),
    messages,
    ...tools(request),
    ...sampling(request),
    ...given('metadata', userOf(request)),
    ...output(request),
    stream: options.stream,
  };
}

const TRANSLATED: ReadonlySet<string> = new Set(
  (
    'model messages stream stream_options max_tokens max_completion_tokens temperature top_p top_k stop tools tool_choice ' +
    'parallel_tool_calls response_format reasoning_effort thinking user safety_identifier'
  ).split(' '),
);

const whatever = (): boolean => true;

/** What asks for nothing that the answer would lack: what everybody does anyway, and hints to another vendor's cache and books. */
const WITHOUT_EFFECT: ReadonlyMap<string, (value: unknown) => boolean> = new Map(
  Object.entries({
    n: (value) => value === 1,
    top_logprobs: (value) => value === 0,
    frequency_penalty: (value) => value === 0,
    presence_penalty: (value) => value === 0,
    logit_bias: (value) => isFields(value) && Object.keys(value).length === 0,
    modalities: (value) => Array.isArray(value) && value.every((modality) => modality === 'text'),
    service_tier: (value) => value === 'auto',
    verbosity: (value) => value === 'medium',
    metadata: whatever,
    prompt_cache_key: whatever,
    prompt_cache_retention: whatever,
  }),
);

function given(name: string, value: unknown): Fields {
  return value === undefined || value === null ? {} : { [name]: value };
}

function sampling(request: ChatRequest): Fields {
  const { temperature, stop } = request;
  if (typeof temperature === 'number' && temperature > 1)
    throw untold('temperature', 'is above 1, which Anthropic does not have');
  return {
    ...given('temperature', temperature),
    ...given('top_p', request['top_p']),
    ...given('top_k', request['top_k']),
    ...given('stop_sequences', typeof stop === 'string' ? [stop] : isEmpty(stop) ? undefined : stop),
  };
}

/** Either is OpenAI's name for an opaque id of the end user, the newer one first. */
function userOf(request: ChatRequest): Fields | undefined {
  const user = request['safety_identifier'] ?? request['user'];
  return typeof user === 'string' ? { user_id: user } : undefined;
}

function tools(request: ChatRequest): Fields {
  const { tools: list } = request;
  if (!Array.isArray(list) || list.length === 0) return {};
  return {
    tools: list.map((tool: unknown, at) => toolOf(tool, `tools[${at}]`)),
    ...given('tool_choice', toolChoice(request)),
  };
}

function toolOf(tool: unknown, path: string): Fields {
  if (!isFields(tool) || tool['type'] !== 'function' || !isFields(tool['function']))
    throw untold(path, 'is no function');
  onlyFields(tool, ['type', 'function', 'cache_control'], path);
  const { function: described } = tool;
  onlyFields(described, ['name', 'description', 'parameters', 'strict'], `${path}.function`);
  return {
    name: described['name'],
    ...given('description', described['description']),
    input_schema: described['parameters'] ?? { type: 'object', properties: {} },
    ...(described['strict'] === true ? { strict: true } : {}),
    ...cacheControl(tool),
  };
}

const TOOL_CHOICES = new Map([
  ['auto', 'auto'],
  ['required', 'any'],
  ['none', 'none'],
]);

function toolChoice({ tool_choice: choice, parallel_tool_calls: parallel }: ChatRequest): Fields | undefined {
  const single = parallel === false ? { disable_parallel_tool_use: true } : {};
  if (choice === undefined || choice === null) return parallel === false ? { type: 'auto', ...single } : undefined;
  if (typeof choice === 'string') {
    const type = TOOL_CHOICES.get(choice);
    if (type === undefined) throw untold('tool_choice', `is ${JSON.stringify(choice)}, which nobody knows`);
    return type === 'none' ? { type } : { type, ...single };
  }
  if (!isFields(choice) || choice['type'] !== 'function' || !isFields(choice['function'])) throw untold('tool_choice');
  return { type: 'tool', name: choice['function']['name'], ...single };
}

const EFFORTS: readonly unknown[] = ['low', 'medium', 'high', 'xhigh', 'max'];

/** The form of the answer and the thinking before it. */
function output(request: ChatRequest): Fields {
  const { reasoning_effort: effort, thinking } = request;
  const none = effort === 'none';
  if (!isEmpty(effort) && !none && !EFFORTS.includes(effort))
    throw untold('reasoning_effort', `is ${JSON.stringify(effort)}; Anthropic has none, ${EFFORTS.join(', ')}`);
  const config = {
    ...(none ? {} : given('effort', effort)),
    ...given('format', formatOf(request['response_format'])),
  };
  return {
    ...given('thinking', thinking ?? (none ? { type: 'disabled' } : undefined)),
    ...(isEmpty(Object.keys(config)) ? {} : { output_config: config }),
  };
}

/** Anthropic holds an answer to a schema, and has no JSON without one. */
function formatOf(format: unknown): Fields | undefined {
  if (isEmpty(format)) return undefined;
  const type = isFields(format) ? format['type'] : undefined;
  if (type === 'text') return undefined;
  const schema = isFields(format) && isFields(format['json_schema']) ? format['json_schema']['schema'] : undefined;
  if (type !== 'json_schema' || !isFields(schema))
    throw untold(
      'response_format',
      `of the type ${JSON.stringify(type)} has no counterpart there; json_schema with a schema has`,
    );
  return { type: 'json_schema', schema };
}
