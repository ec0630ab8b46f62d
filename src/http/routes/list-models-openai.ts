/** `GET /v1/models`: what the caller may name, in OpenAI's form, or in Anthropic's for its clients: all in one page. */
import { Type } from 'typebox';
import { ifNoneMatchHeader, revalidatedJson } from '../etag.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { ANTHROPIC_VERSION } from '../request-context.ts';
import {
  anthropicModel,
  anthropicModelSchema,
  anthropicVersionHeader,
  modelExample,
  modelSchema,
} from '../wire/model.ts';

export const listModelsOpenai = defineOperation({
  id: 'listModelsOpenai',
  method: 'GET',
  path: '/v1/models',
  access: ['chat', 'read'],
  headers: { ...ifNoneMatchHeader, ...anthropicVersionHeader },
  tag: 'OpenAI-compatible',
  summary: 'List models',
  description:
    'Routes first, then what the providers offer; each id once, all in one page. With an ETag: `If-None-Match` with it gives 304. ' +
    'With `anthropic-version` the list is in Anthropic’s form.',
  responses: {
    200: {
      description: 'The models, in the form of the client’s vendor.',
      schema: Type.Union([
        Type.Object({ object: Type.Literal('list'), data: Type.Array(modelSchema) }),
        Type.Object({
          data: Type.Array(anthropicModelSchema),
          has_more: Type.Literal(false),
          first_id: Type.Union([Type.String(), Type.Null()]),
          last_id: Type.Union([Type.String(), Type.Null()]),
        }),
      ]),
      example: { object: 'list', data: [modelExample] },
    },
  },
  async handle({ context }, { gateway }) {
    const models = await gateway.models(callerOf(context), context.signal);
    const body =
      context.surface === 'anthropic'
        ? {
            data: models.map(anthropicModel),
            has_more: false,
            first_id: models[0]?.id ?? null,
            last_id: models.at(-1)?.id ?? null,
          }
        : { object: 'list', data: models };
    return revalidatedJson(context, body, ANTHROPIC_VERSION);
  },
});
