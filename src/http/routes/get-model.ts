/** `GET /v1/models/{id}`: one model; its id may hold slashes. */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
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

export const getModel = defineOperation({
  id: 'getModel',
  method: 'GET',
  path: '/v1/models/{id+}',
  access: ['chat', 'read'],
  headers: { ...ifNoneMatchHeader, ...anthropicVersionHeader },
  tag: 'OpenAI-compatible',
  summary: 'Get a model',
  description: 'The id may hold slashes, encoded or not: `/v1/models/openai/gpt-4o`.',
  params: Type.Object({
    id: Type.String({
      maxLength: limits.modelNameCharsMax,
      description: 'As `GET /v1/models` lists it.',
      examples: ['openai/gpt-4o-mini'],
    }),
  }),
  responses: {
    200: {
      description: 'The model, in the form of the client’s vendor.',
      schema: Type.Union([modelSchema, anthropicModelSchema]),
      example: modelExample,
    },
  },
  async handle({ params, context }, { gateway }) {
    const model = (await gateway.models(callerOf(context), context.signal)).find(({ id }) => id === params.id);
    if (model === undefined) {
      throw new CallerError('model_not_found', 'There is no such model here. GET /v1/models lists them.', {
        param: 'id',
      });
    }
    const body = context.surface === 'anthropic' ? anthropicModel(model) : model;
    return revalidatedJson(context, body, ANTHROPIC_VERSION);
  },
});
