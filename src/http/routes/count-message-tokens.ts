/** `POST /v1/messages/count_tokens`: what a request in Anthropic's form comes to, before it is sent. */
import { Type } from 'typebox';
import { fromMessagesRequest } from '#dialects/anthropic/request';
import { callFor } from '../chat.ts';
import { headerValue } from '../header-value.ts';
import { defineOperation } from '../operation.ts';
import { preferenceHeaders } from '../preferences.ts';
import { waitedFor } from '../waiting.ts';
import { betaHeader, betasIn, input } from '../wire/message.ts';

/** The translation wants a bound of the answer, which is not counted. */
const UNBOUNDED = { max_tokens: 1 };

export const countMessageTokens = defineOperation({
  id: 'countMessageTokens',
  method: 'POST',
  path: '/v1/messages/count_tokens',
  access: ['chat'],
  tag: 'Anthropic-compatible',
  summary: 'Count the tokens of a request, in Anthropic’s form',
  description:
    'Where the model’s first deployments are of the kind `anthropic`, Anthropic counts. Otherwise, where it cannot tell within ten seconds, and on a route with a guardrail, ' +
    'the answer is the hub’s own estimate by the length of the texts, rather high than low, and the header `x-revoagent-estimated: true` says so. ' +
    'It is no run; of the limits it costs a request, and neither tokens nor money.',
  body: Type.Object(input, { description: 'As for `POST /v1/messages`, without the bound of the answer.' }),
  headers: { ...preferenceHeaders, ...betaHeader },
  bodyExample: { model: 'anthropic/claude-sonnet-4-5', messages: [{ role: 'user', content: 'Say hello.' }] },
  responses: {
    200: {
      description:
        'The tokens of messages, instructions and tools; `x-revoagent-estimated: true` where they are estimated.',
      schema: Type.Object({ input_tokens: Type.Integer() }),
      example: { input_tokens: 10 },
    },
  },
  async handle({ body, context }, services) {
    const call = callFor(
      fromMessagesRequest({ ...body, ...UNBOUNDED }, betasIn(context.incoming.headers)),
      context,
      services,
    );
    context.runId = null;
    const { tokens, estimated, provider, model } = await waitedFor(
      context,
      services.clock,
      services.gateway.countTokens(call),
    );
    return {
      kind: 'json',
      status: 200,
      body: { input_tokens: tokens },
      headers: {
        ...(provider !== null && { 'x-revoagent-provider': headerValue(provider) }),
        ...(model !== null && { 'x-revoagent-model': headerValue(model) }),
        ...(estimated && { 'x-revoagent-estimated': 'true' }),
      },
    };
  },
});
