/** `POST /api/circuit-breakers/{key}/reset`: an order of a person, with a reason, written to the audit. */
import { defineOperation } from '../operation.ts';
import { breakerExample, breakerParams, giveOrder, orderBody, orderedSchema } from '../wire/breaker.ts';

export const resetBreaker = defineOperation({
  id: 'resetBreaker',
  method: 'POST',
  path: '/api/circuit-breakers/{key}/reset',
  access: ['admin'],
  tag: 'Circuit breakers',
  summary: 'Reset a circuit',
  description:
    'Takes back what was forced and forgets what was counted: the circuit is closed and judges for itself again.',
  params: breakerParams,
  body: orderBody,
  bodyExample: { reason: 'the incident is over' },
  responses: {
    200: {
      description: 'Its new state.',
      schema: orderedSchema,
      example: { breaker: { ...breakerExample, state: 'closed' }, audited: true },
    },
  },
  handle: ({ params, body, context }, services) =>
    giveOrder(context, services, { key: params.key, action: 'breaker-reset', detail: { reason: body.reason } }, (by) =>
      services.breakers.reset(params.key, { by, reason: body.reason }),
    ),
});
