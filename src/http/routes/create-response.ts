/** `POST /v1/responses`: OpenAI's Responses API without a memory, over every kind of provider, plain or as a stream. */
import { Type } from 'typebox';
import { newId } from '#core/ids';
import { limits } from '#core/limits';
import { fromCompletion, responseTo } from '#dialects/responses/answer';
import { toChatRequest } from '#dialects/responses/request';
import { FromChunks } from '#dialects/responses/stream';
import { answerChat } from '../chat.ts';
import type { ChatForm } from '../chat.ts';
import { openaiBody } from '../errors/render.ts';
import { defineOperation } from '../operation.ts';
import { preferenceHeaders } from '../preferences.ts';
import { named, namedEvents, translated } from '../translation.ts';
import { modelName } from '../wire/chat.ts';
import { nullable } from '../wire/common.ts';

const fields = Type.Record(Type.String(), Type.Unknown());

const body = Type.Object(
  {
    model: modelName,
    input: Type.Union([Type.String(), Type.Array(fields, { minItems: 1, maxItems: limits.messagesMax })], {
      description:
        'A question, or the whole conversation as items: messages, `function_call` and its `function_call_output`.',
    }),
    instructions: Type.Optional(nullable(Type.String(), 'Put before the input, as a system message.')),
    stream: Type.Optional(
      nullable(
        Type.Boolean(),
        'true: server-sent events, the last of them `response.completed` or `response.incomplete`.',
      ),
    ),
    temperature: Type.Optional(nullable(Type.Number(), 'Randomness.')),
    top_p: Type.Optional(nullable(Type.Number(), 'Nucleus sampling.')),
    max_output_tokens: Type.Optional(
      nullable(Type.Integer({ minimum: 1 }), 'Tokens of the answer at most, thinking included.'),
    ),
    tools: Type.Optional(
      nullable(Type.Array(fields, { maxItems: limits.toolsMax }), 'Functions that the model may call.'),
    ),
    tool_choice: Type.Optional(
      nullable(Type.Union([Type.String(), fields]), '`auto`, `none`, `required`, or a function by its name.'),
    ),
    parallel_tool_calls: Type.Optional(nullable(Type.Boolean(), 'Whether several at once.')),
    text: Type.Optional(nullable(fields, '`format`: text, JSON mode, or a JSON schema; `verbosity`.')),
    reasoning: Type.Optional(nullable(fields, '`effort`.')),
    metadata: Type.Optional(nullable(fields, 'Comes back with the answer.')),
    include: Type.Optional(
      nullable(Type.Array(Type.String()), 'Nothing more is in an answer here; log probabilities are refused.'),
    ),
    store: Type.Optional(nullable(Type.Boolean(), 'Of no effect: nothing is kept for later.')),
    truncation: Type.Optional(nullable(Type.String(), '`disabled`.')),
  },
  {
    description:
      'OpenAI’s request of a response. What no provider could be told is refused by name; fields that are not listed here reach the provider unchanged.',
  },
);

/** For one call. */
function formFor(response: Record<string, unknown>): ChatForm {
  const events = new FromChunks(response);
  return {
    plain: ({ body: completion }) => JSON.stringify(fromCompletion(completion, response)),
    stream: () => namedEvents(events),
    restarts: false,
    failed: (error) => events.fail(openaiBody(error).error).map(named),
  };
}

export const createResponse = defineOperation({
  id: 'createResponse',
  method: 'POST',
  path: '/v1/responses',
  access: ['chat'],
  tag: 'OpenAI-compatible',
  summary: 'Ask a model, as OpenAI’s Responses API does',
  description:
    'OpenAI’s Responses API over every provider that the hub has, without a memory: each request brings the whole input, and no response is kept. ' +
    'With `stream: true` the answer comes as OpenAI’s named events; a failure after the first one ends it with `response.failed` and `error` instead of ' +
    '`response.completed`. `status` is `incomplete` for an answer that was bounded or filtered, and for the configured last resort (`incomplete_details.reason` `error`).',
  body,
  headers: preferenceHeaders,
  idempotent: true,
  bodyExample: { model: 'openai/gpt-4o-mini', instructions: 'Be brief.', input: 'Say hello.' },
  responses: {
    200: {
      streams: true,
      description: 'The response, or with `stream: true` its events.',
      schema: Type.Object({
        id: Type.String(),
        object: Type.Literal('response'),
        created_at: Type.Number(),
        status: Type.Enum(['completed', 'incomplete']),
        model: Type.String(),
        output: Type.Array(fields),
      }),
      example: {
        id: 'resp_01k3v9zq6x8m2f4t7w1c5r9hjd',
        object: 'response',
        created_at: 1_767_268_800,
        status: 'completed',
        model: 'gpt-4o-mini',
        output: [
          {
            id: 'msg_01k3v9zq6x8m2f4t7w1c5r9hjd_0',
            type: 'message',
            status: 'completed',
            role: 'assistant',
            content: [{ type: 'output_text', text: 'Hello.', annotations: [], logprobs: [] }],
          },
        ],
        usage: {
          input_tokens: 9,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
          output_tokens: 2,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: 11,
        },
      },
    },
  },
  handle({ body: given, context }, services) {
    const request = translated(() => toChatRequest(given));
    const response = responseTo(given, newId('resp', services.clock.wallMs()));
    return answerChat(request, formFor(response), context, services);
  },
});
