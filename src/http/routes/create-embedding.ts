/** `POST /v1/embeddings`: the OpenAI form. */
import { Type } from 'typebox';
import { answerWhole, callFor } from '../chat.ts';
import { defineOperation } from '../operation.ts';
import { preferenceHeaders } from '../preferences.ts';
import { embeddingRequestSchema } from '../wire/embedding.ts';

export const createEmbedding = defineOperation({
  id: 'createEmbedding',
  method: 'POST',
  path: '/v1/embeddings',
  access: ['chat'],
  tag: 'OpenAI-compatible',
  summary: 'Turn texts into vectors',
  description:
    'The OpenAI embeddings API. A deployment of the route whose provider has no embeddings is passed over; `GET /api/runs/{id}` says so. ' +
    'Vectors of different models do not compare: a route for embeddings should hold one model, at several providers at most. ' +
    'Response headers tell the run, as those of a chat completion do.',
  body: embeddingRequestSchema,
  headers: preferenceHeaders,
  idempotent: true,
  bodyExample: { model: 'openai/text-embedding-3-small', input: ['The first text.', 'The second text.'] },
  responses: {
    200: {
      description: 'A vector for each text, in their order.',
      schema: Type.Object({
        object: Type.String(),
        model: Type.String(),
        data: Type.Array(
          Type.Object({
            index: Type.Integer(),
            embedding: Type.Union([Type.Array(Type.Number()), Type.String()]),
          }),
        ),
      }),
      example: {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [0.0023, -0.0091, 0.0154] }],
        model: 'text-embedding-3-small',
        usage: { prompt_tokens: 8, total_tokens: 8 },
      },
    },
  },
  handle({ body, context }, services) {
    const call = callFor(body, context, services);
    return answerWhole(
      services.gateway.embed(call),
      (answer) => answer.raw ?? JSON.stringify(answer.body),
      context,
      services,
    );
  },
});
