/** `POST /v1/messages`: Anthropic's form, over every kind of provider, plain or as a stream. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { ChatRequest } from '#contract/chat';
import { fromCompletion } from '#dialects/anthropic/answer';
import { fromMessagesRequest } from '#dialects/anthropic/request';
import { FromChunks } from '#dialects/anthropic/events';
import type { ChatForm } from '../chat.ts';
import { answerChat } from '../chat.ts';
import { defineOperation } from '../operation.ts';
import { preferenceHeaders } from '../preferences.ts';
import { namedEvents } from '../translation.ts';
import { betaHeader, betasIn, block, blocks, input } from '../wire/message.ts';

const body = Type.Object(
  {
    ...input,
    max_tokens: Type.Integer({ minimum: 1, description: 'Tokens of the answer at most.' }),
    stream: Type.Optional(Type.Boolean({ description: 'true: server-sent events, the last of them `message_stop`.' })),
    temperature: Type.Optional(Type.Number({ description: 'Randomness.' })),
    stop_sequences: Type.Optional(Type.Array(Type.String(), { description: 'Where to stop.' })),
    metadata: Type.Optional(block),
  },
  {
    description:
      'Anthropic’s Messages request. What Anthropic alone could be told reaches it as it is; where another provider is asked, it is refused by name.',
  },
);

function toChatRequest(given: Static<typeof body>, betas: readonly string[]): ChatRequest {
  const request = fromMessagesRequest(given, betas);
  return request.stream === true ? { ...request, stream_options: { include_usage: true } } : request;
}

function formFor({ stop_sequences: stops }: Static<typeof body>): ChatForm {
  return {
    plain: ({ body: completion }) => JSON.stringify(fromCompletion(completion, stops)),
    stream: () => namedEvents(new FromChunks(stops)),
    restarts: false,
  };
}

export const createMessage = defineOperation({
  id: 'createMessage',
  method: 'POST',
  path: '/v1/messages',
  access: ['chat'],
  tag: 'Anthropic-compatible',
  summary: 'Ask a model, in Anthropic’s form',
  description:
    'Anthropic’s Messages API over every provider that the hub has. The official SDK works with this hub as its base URL and one of its keys as `x-api-key`. ' +
    'With `stream: true` the answer comes as Anthropic’s named events; a failure after the first one ends it with an `error` event instead of `message_stop`.',
  body,
  headers: { ...preferenceHeaders, ...betaHeader },
  idempotent: true,
  bodyExample: {
    model: 'anthropic/claude-sonnet-4-5',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Say hello.' }],
  },
  responses: {
    200: {
      streams: true,
      description: 'The message, or with `stream: true` its events.',
      schema: Type.Object({
        id: Type.String(),
        type: Type.Literal('message'),
        role: Type.Literal('assistant'),
        model: Type.String(),
        content: blocks,
      }),
      example: {
        id: 'msg_01',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-4-5',
        content: [{ type: 'text', text: 'Hello.' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 9, output_tokens: 2 },
      },
    },
  },
  handle: ({ body: given, context }, services) =>
    answerChat(toChatRequest(given, betasIn(context.incoming.headers)), formFor(given), context, services),
});
