/** `GET /api/models`: models, and the deployments behind the routes with the state of their circuits. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { BreakerControl } from '#contract/breakers';
import type { DeploymentStatus } from '#contract/gateway';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { BREAKER_STATES } from '../wire/breaker.ts';
import { isoTime, noQuery, nullable, timestamp } from '../wire/common.ts';
import { modelExample, modelSchema } from '../wire/model.ts';

const deploymentSchema = Type.Object({
  id: Type.String(),
  provider: Type.String(),
  kind: Type.String({ description: 'The provider’s kind, e.g. `openai-compatible`.' }),
  model: Type.String({ description: 'The upstream’s own name.' }),
  circuit: Type.String({ description: 'Its key under `/api/circuit-breakers`.' }),
  breaker: Type.Enum(BREAKER_STATES, {
    description: 'The state of its circuit; closed where it was not called yet.',
  }),
  lastSuccessAt: nullable(timestamp, 'Null where there was none since the start.'),
  lastFailureAt: nullable(timestamp, 'Null where there was none since the start.'),
  lastFailure: nullable(Type.String(), 'How the last failed attempt ended.'),
});

function deploymentView(status: DeploymentStatus, breakers: BreakerControl): Static<typeof deploymentSchema> {
  const { id, provider, kind, model, breaker: circuit, lastSuccessWallMs, lastFailureWallMs, lastFailure } = status;
  return {
    id,
    provider,
    kind,
    model,
    circuit,
    breaker: breakers.get(circuit)?.state ?? 'closed',
    lastSuccessAt: lastSuccessWallMs === null ? null : isoTime(lastSuccessWallMs),
    lastFailureAt: lastFailureWallMs === null ? null : isoTime(lastFailureWallMs),
    lastFailure,
  };
}

export const listModels = defineOperation({
  id: 'listModels',
  method: 'GET',
  path: '/api/models',
  access: ['chat', 'read'],
  tag: 'Chat',
  summary: 'List models and deployments',
  description: 'What may be named as `model`, and each deployment that routes use with the state of its circuit.',
  query: noQuery,
  responses: {
    200: {
      description: 'Models and deployments.',
      schema: Type.Object({ models: Type.Array(modelSchema), deployments: Type.Array(deploymentSchema) }),
      example: {
        models: [modelExample],
        deployments: [
          {
            id: 'openai/gpt-4o-mini',
            provider: 'openai',
            kind: 'openai-compatible',
            model: 'gpt-4o-mini',
            circuit: 'provider:openai/gpt-4o-mini',
            breaker: 'closed',
            lastSuccessAt: '2026-01-01T12:00:00.000Z',
            lastFailureAt: null,
            lastFailure: null,
          },
        ],
      },
    },
  },
  handle: async ({ context }, { gateway, breakers }) =>
    json({
      models: await gateway.models(callerOf(context), context.signal),
      deployments: gateway.deployments().map((status) => deploymentView(status, breakers)),
    }),
});
