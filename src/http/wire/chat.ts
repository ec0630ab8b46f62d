/** The chat request of `/v1`: what the hub itself reads is checked, everything else travels on as it came. */
import { Type } from 'typebox';
import { limits } from '#core/limits';

const parts = Type.Array(Type.Record(Type.String(), Type.Unknown()));

export const modelName = Type.String({
  minLength: 1,
  maxLength: limits.modelNameCharsMax,
  description: 'A route, or a provider and its model: `openai/gpt-4o`. GET /v1/models lists them.',
});

export const content = Type.Union([Type.String(), parts, Type.Null()], {
  description: 'Text, or an array of parts (`text`, `image_url`, …).',
});

export const messageSchema = Type.Object({
  role: Type.Enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: Type.Optional(content),
});

const optionalNumber = (description: string) =>
  Type.Optional(Type.Union([Type.Number(), Type.Null()], { description }));
const optionalInteger = (minimum: number, description: string) =>
  Type.Optional(Type.Union([Type.Integer({ minimum }), Type.Null()], { description }));

export const chatRequestSchema = Type.Object(
  {
    model: modelName,
    messages: Type.Array(messageSchema, { minItems: 1, maxItems: limits.messagesMax }),
    stream: Type.Optional(
      Type.Union([Type.Boolean(), Type.Null()], {
        description: 'true: server-sent events, the last of them `[DONE]`.',
      }),
    ),
    stream_options: Type.Optional(
      Type.Union([Type.Object({ include_usage: Type.Optional(Type.Boolean()) }), Type.Null()], {
        description: '`include_usage`: one more event with the tokens used.',
      }),
    ),
    temperature: optionalNumber('Randomness.'),
    top_p: optionalNumber('Nucleus sampling.'),
    max_tokens: optionalInteger(1, 'Tokens of the answer at most, for models of the older form.'),
    max_completion_tokens: optionalInteger(1, 'Tokens of the answer at most, thinking included.'),
    n: optionalInteger(1, 'How many answers.'),
    seed: Type.Optional(
      Type.Union([Type.Integer(), Type.Null()], { description: 'For answers that can be repeated.' }),
    ),
    stop: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String()), Type.Null()], { description: 'Where to stop.' }),
    ),
    tools: Type.Optional(
      Type.Union([Type.Array(Type.Record(Type.String(), Type.Unknown()), { maxItems: limits.toolsMax }), Type.Null()], {
        description: 'Tools that the model may call.',
      }),
    ),
    response_format: Type.Optional(
      Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], {
        description: 'JSON mode, or a JSON schema.',
      }),
    ),
  },
  { description: 'The OpenAI chat request. Fields that are not listed here reach the provider unchanged.' },
);

export const completionExample = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_767_268_800,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
};
