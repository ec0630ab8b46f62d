/** `POST /api/chat`: the hub's own, shorter form of a chat. Strict: a field it does not know is refused by name. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { CancelSignal } from '#core/cancel';
import { CallerError, UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import type { ChatMessage, ChatRequest } from '#contract/chat';
import type { Caller, RunSummary } from '#contract/gateway';
import type { ChatForm, StreamForm } from '../chat.ts';
import { answerChat } from '../chat.ts';
import type { Services } from '../operation.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { preferenceHeaders } from '../preferences.ts';
import { modelName } from '../wire/chat.ts';
import { nullable, strict } from '../wire/common.ts';

export const hubChatSchema = Type.Object(
  {
    model: Type.Optional(modelName),
    prompt: Type.Optional(Type.String({ minLength: 1, description: 'One question. Give this or `messages`.' })),
    messages: Type.Optional(
      Type.Array(Type.Object({ role: Type.Enum(['system', 'user', 'assistant']), content: Type.String() }, strict), {
        minItems: 1,
        maxItems: limits.messagesMax,
        description: 'A conversation so far. Give this or `prompt`.',
      }),
    ),
    system: Type.Optional(Type.String({ minLength: 1, description: 'Instructions, put before everything else.' })),
    stream: Type.Optional(Type.Boolean({ description: 'true: server-sent events.' })),
    temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 2 })),
    maxTokens: Type.Optional(Type.Integer({ minimum: 1, description: 'Tokens of the answer at most.' })),
    stop: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 4 })),
    json: Type.Optional(Type.Boolean({ description: 'true: the answer is a JSON object.' })),
  },
  strict,
);

const usageSchema = Type.Object({
  promptTokens: Type.Integer(),
  completionTokens: Type.Integer(),
  totalTokens: Type.Integer(),
});

const answerSchema = Type.Object({
  runId: Type.String({ description: 'GET /api/runs/{runId} explains the run.' }),
  provider: nullable(Type.String(), 'Who answered.'),
  model: nullable(Type.String(), 'The upstream’s own name of the model.'),
  text: Type.String(),
  finishReason: nullable(Type.String(), '`stop`, `length`, `content_filter`, …; `error` for a degraded answer.'),
  usage: nullable(usageSchema, 'Null where the provider did not say.'),
  degraded: Type.Boolean({ description: 'The configured last resort, not a model’s answer.' }),
  simulated: Type.Boolean({ description: 'From the built-in simulator.' }),
});

export function toChatRequest(given: Static<typeof hubChatSchema>, model: string): ChatRequest {
  if ((given.prompt === undefined) === (given.messages === undefined)) {
    throw new CallerError('invalid_body', 'Give either prompt or messages.', { param: 'prompt' });
  }
  const messages: ChatMessage[] = given.messages ?? [{ role: 'user', content: given.prompt ?? '' }];
  const { system, stream = false, temperature, maxTokens, stop, json } = given;
  return {
    model,
    messages: system === undefined ? messages : [{ role: 'system', content: system }, ...messages],
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(stop === undefined ? {} : { stop }),
    ...(json === true ? { response_format: { type: 'json_object' } } : {}),
  };
}

/** The first of the list: routes come before what providers offer, so an operator decides by naming one. */
export async function defaultModel(
  { gateway }: Pick<Services, 'gateway'>,
  caller: Caller,
  signal: CancelSignal,
): Promise<string> {
  const [first] = await gateway.models(caller, signal);
  if (first === undefined)
    throw new CallerError('model_not_found', 'There is no model to answer by default. Name one.', { param: 'model' });
  return first.id;
}

const hubForm: ChatForm = {
  plain({ summary, body: { choices, usage } }) {
    const [choice] = choices;
    return JSON.stringify({
      ...identity(summary),
      text: choice?.message.content ?? '',
      finishReason: choice?.finish_reason ?? null,
      usage: usageView(usage),
    } satisfies Static<typeof answerSchema>);
  },
  stream: (summary) => hubStream(summary),
};

/** Its events are data alone, without names. */
interface HubStream extends StreamForm {
  readonly opening: readonly string[];
  translate(event: string): Iterable<string>;
  closing(): readonly string[];
}

export function hubStream(summary: RunSummary): HubStream {
  let finishReason: string | null = null;
  let usage: Static<typeof usageSchema> | null = null;
  return {
    opening: [JSON.stringify({ type: 'start', ...identity(summary), cache: summary.cache })],
    *translate(event) {
      const chunk: unknown = JSON.parse(event);
      if (!isRecord(chunk))
        throw new UpstreamError('upstream_malformed', 'The provider sent an event that is no object.');
      const note: unknown = chunk['revoagent'];
      if (isRecord(note) && note['event'] === 'restart') yield JSON.stringify({ type: 'restart' });
      usage = usageView(chunk['usage']) ?? usage;
      const choice: unknown = Array.isArray(chunk['choices']) ? chunk['choices'][0] : undefined;
      if (!isRecord(choice)) return;
      if (typeof choice['finish_reason'] === 'string') finishReason = choice['finish_reason'];
      const text = isRecord(choice['delta']) ? choice['delta']['content'] : undefined;
      if (typeof text === 'string' && text !== '') yield JSON.stringify({ type: 'delta', text });
    },
    closing: () => [JSON.stringify({ type: 'end', finishReason, usage })],
  };
}

function identity({ runId, provider, model, degraded, simulated }: RunSummary) {
  return { runId, provider, model, degraded, simulated };
}

function usageView(usage: unknown): Static<typeof usageSchema> | null {
  if (!isRecord(usage)) return null;
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: totalTokens } = usage;
  if (typeof promptTokens !== 'number' || typeof completionTokens !== 'number') return null;
  return {
    promptTokens,
    completionTokens,
    totalTokens: typeof totalTokens === 'number' ? totalTokens : promptTokens + completionTokens,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export const chat = defineOperation({
  id: 'chat',
  method: 'POST',
  path: '/api/chat',
  access: ['chat'],
  tag: 'Chat',
  summary: 'Ask a model, in the hub’s own form',
  description:
    `Shorter than the OpenAI form: a prompt or messages in, a text out. Without \`model\` the first one that \`GET /api/models\` lists answers. ` +
    'For tools, images and vendor parameters use `POST /v1/chat/completions`. With `stream: true`: one `start` event, `delta` events with text, ' +
    'one `end` event with the finish reason and usage, then `[DONE]`; a `restart` event (`x-revoagent-continue`) voids the text before it; or an `error` event and no `[DONE]`.',
  body: hubChatSchema,
  headers: preferenceHeaders,
  idempotent: true,
  bodyExample: { prompt: 'Say hello in French.' },
  responses: {
    200: {
      streams: true,
      description: 'The answer, or with `stream: true` its events.',
      schema: answerSchema,
      example: {
        runId: 'run_01k3v9zq6x8m2f4t7w1c5r9hjd',
        provider: 'openai',
        model: 'gpt-4o-mini',
        text: 'Bonjour !',
        finishReason: 'stop',
        usage: { promptTokens: 12, completionTokens: 3, totalTokens: 15 },
        degraded: false,
        simulated: false,
      },
    },
  },
  async handle({ body: given, context }, services) {
    const model = given.model ?? (await defaultModel(services, callerOf(context), context.signal));
    return answerChat(toChatRequest(given, model), hubForm, context, services);
  },
});
