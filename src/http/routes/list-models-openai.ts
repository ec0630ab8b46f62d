/** `GET /v1/models`: what the caller may name, in OpenAI's form. */
import { Type } from 'typebox';
import { ifNoneMatchHeader, revalidatedJson } from '../etag.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { modelExample, modelSchema } from '../wire/model.ts';

export const listModelsOpenai = defineOperation({
  id: 'listModelsOpenai',
  method: 'GET',
  path: '/v1/models',
  access: ['chat', 'read'],
  headers: ifNoneMatchHeader,
  tag: 'OpenAI-compatible',
  summary: 'List models',
  description:
    'Routes first, then what the providers offer; each id once. With an ETag: `If-None-Match` with it gives 304.',
  responses: {
    200: {
      description: 'The models.',
      schema: Type.Object({ object: Type.Literal('list'), data: Type.Array(modelSchema) }),
      example: { object: 'list', data: [modelExample] },
    },
  },
  handle: async ({ context }, { gateway }) =>
    revalidatedJson(context, { object: 'list', data: await gateway.models(callerOf(context), context.signal) }),
});
