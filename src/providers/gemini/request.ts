/**
 * A chat request as the body of `generateContent`. Every field of a request is in the table below or refused by its name; what a
 * field cannot be in Gemini's terms is refused too. After https://ai.google.dev/api/generate-content and, for how much thinking an
 * effort is, https://ai.google.dev/gemini-api/docs/openai#thinking.
 */
import type { ChatRequest } from '#contract/chat';
import { isRecord } from '#dialects/json';
import { untranslatable } from '#dialects/untranslatable';
import { toContents } from './contents.ts';
import type { GeminiConversation } from './contents.ts';
import { toTools } from './tools.ts';
import type { GeminiTools } from './tools.ts';
import { isGemini3 } from './wire.ts';

export interface GeminiRequest extends GeminiConversation, Partial<GeminiTools> {
  generationConfig?: Record<string, unknown>;
}

/** `model`: Gemini's name of it. Throws `UpstreamFailure('untranslatable')` that names the field. */
export function toGeminiRequest(request: ChatRequest, model: string): GeminiRequest {
  const config: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(request)) {
    if (value === undefined || value === null) continue;
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (field === undefined) throw untranslatable(name, 'Gemini has nothing like it.');
    if (field !== 'elsewhere') Object.assign(config, field(value, { name, model, request }));
  }
  const generationConfig = Object.keys(config).length === 0 ? {} : { generationConfig: config };
  return {
    ...toContents(request.messages, model),
    ...toTools(request['tools'], request['tool_choice']),
    ...generationConfig,
  };
}

interface Place {
  readonly name: string;
  readonly model: string;
  readonly request: ChatRequest;
}

type Field = (value: unknown, place: Place) => Record<string, unknown>;

/** Under Gemini's name for it; whether the value is one is for Gemini to say. */
const as =
  (name: string): Field =>
  (value) => ({ [name]: value });

/** What the field may be without a meaning for Gemini. */
const only =
  (...values: readonly unknown[]): Field =>
  (value, { name }) => {
    if (values.includes(value)) return {};
    throw untranslatable(
      name,
      `Gemini cannot be told this; it may be ${values.map((each) => JSON.stringify(each)).join(' or ')}.`,
    );
  };

/** It says nothing about the answer: who asks, how it is billed, cached and kept at another provider. */
const unsaid: Field = () => ({});

const FIELDS: Readonly<Record<string, Field | 'elsewhere'>> = {
  model: 'elsewhere',
  messages: 'elsewhere',
  stream: 'elsewhere',
  stream_options: 'elsewhere',
  tools: 'elsewhere',
  tool_choice: 'elsewhere',
  temperature: as('temperature'),
  top_p: as('topP'),
  top_k: as('topK'),
  seed: as('seed'),
  n: as('candidateCount'),
  presence_penalty: as('presencePenalty'),
  frequency_penalty: as('frequencyPenalty'),
  max_completion_tokens: as('maxOutputTokens'),
  // The older name; where both are given, the newer one counts.
  max_tokens: (value, { request }) =>
    (request['max_completion_tokens'] ?? null) === null ? { maxOutputTokens: value } : {},
  stop: (value) => ({ stopSequences: typeof value === 'string' ? [value] : value }),
  logprobs: (value) => (value === true ? { responseLogprobs: true } : {}),
  top_logprobs: as('logprobs'),
  response_format: formatOf,
  reasoning_effort: thinkingOf,
  parallel_tool_calls: only(true),
  modalities: (value, { name }) => {
    if (Array.isArray(value) && value.length === 1 && value[0] === 'text') return {};
    throw untranslatable(name, 'the hub asks Gemini for text only.');
  },
  service_tier: only('auto', 'default'),
  store: only(false),
  user: unsaid,
  metadata: unsaid,
  safety_identifier: unsaid,
  prompt_cache_key: unsaid,
  prompt_cache_retention: unsaid,
  anthropic_beta: unsaid,
};

function formatOf(value: unknown, { name }: Place): Record<string, unknown> {
  const { type, json_schema: described } = isRecord(value) ? value : {};
  const responseMimeType = 'application/json';
  if (type === 'text') return {};
  if (type === 'json_object') return { responseMimeType };
  const schema = isRecord(described) ? described['schema'] : undefined;
  if (type !== 'json_schema') throw untranslatable(`${name}.type`, 'Gemini has no such format.');
  if (!isRecord(schema)) throw untranslatable(`${name}.json_schema.schema`, 'it is no JSON Schema.');
  return { responseMimeType, responseJsonSchema: schema };
}

const LEVELS: Readonly<Record<string, string>> = { minimal: 'MINIMAL', low: 'LOW', medium: 'MEDIUM', high: 'HIGH' };
/** In tokens; what Google's own OpenAI-compatible API takes them for. */
const BUDGETS: Readonly<Record<string, number>> = { none: 0, minimal: 1_024, low: 1_024, medium: 8_192, high: 24_576 };

function thinkingOf(value: unknown, { name, model }: Place): Record<string, unknown> {
  const [field, table] = isGemini3(model)
    ? (['thinkingLevel', LEVELS] as const)
    : (['thinkingBudget', BUDGETS] as const);
  if (typeof value === 'string' && Object.hasOwn(table, value)) return { thinkingConfig: { [field]: table[value] } };
  throw untranslatable(name, `it may be ${Object.keys(table).join(', ')} for the model ${model}.`);
}
