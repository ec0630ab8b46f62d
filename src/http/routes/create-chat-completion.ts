/** `POST /v1/chat/completions`: the OpenAI form, plain or as a stream. */
import { Type } from 'typebox';
import type { ChatForm } from '../chat.ts';
import { answerChat } from '../chat.ts';
import { defineOperation } from '../operation.ts';
import { preferenceHeaders } from '../preferences.ts';
import { chatRequestSchema, completionExample } from '../wire/chat.ts';

/** The gateway's own form is this one: bytes and events pass as they are. */
const openaiForm: ChatForm = {
  // The body of a kept answer is parsed only where it is asked for.
  plain: (answer) => answer.raw ?? JSON.stringify(answer.body),
  stream: () => ({ opening: [], translate: (event) => [event], closing: () => [] }),
};

export const createChatCompletion = defineOperation({
  id: 'createChatCompletion',
  method: 'POST',
  path: '/v1/chat/completions',
  access: ['chat'],
  tag: 'OpenAI-compatible',
  summary: 'Ask a model',
  description:
    'The OpenAI chat API. Official SDKs work by changing their base URL to this hub’s `/v1`. With `stream: true` the answer comes as ' +
    'server-sent events; comments keep an idle stream open, and a failure after the first event ends it with an `error` event instead of `[DONE]`. ' +
    'Response headers tell the run: `x-revoagent-run`, `-provider`, `-model`, `-attempts`, `-overhead-ms`, and `-degraded` or `-simulated` where that is so.',
  body: chatRequestSchema,
  headers: preferenceHeaders,
  idempotent: true,
  bodyExample: { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'Say hello.' }] },
  responses: {
    200: {
      streams: true,
      description: 'The completion, or with `stream: true` its chunks.',
      schema: Type.Object({
        id: Type.String(),
        object: Type.String(),
        model: Type.String(),
        choices: Type.Array(Type.Object({})),
      }),
      example: completionExample,
    },
  },
  handle: ({ body, context }, services) => answerChat(body, openaiForm, context, services),
});
