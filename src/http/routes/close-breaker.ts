/** `POST /api/circuit-breakers/{key}/close`: an order of a person, with a reason, written to the audit. */
import { defineOperation } from '../operation.ts';
import { breakerExample, breakerParams, giveOrder, orderBody, orderedSchema } from '../wire/breaker.ts';

export const closeBreaker = defineOperation({
  id: 'closeBreaker',
  method: 'POST',
  path: '/api/circuit-breakers/{key}/close',
  access: ['admin'],
  tag: 'Circuit breakers',
  summary: 'Force a circuit closed',
  description:
    'Every call gets through and none is counted until it is reset: for a breaker that is wrong about its upstream.',
  params: breakerParams,
  body: orderBody,
  bodyExample: { reason: 'the upstream is well, its health page is not' },
  responses: {
    200: {
      description: 'Its new state.',
      schema: orderedSchema,
      example: { breaker: { ...breakerExample, state: 'disabled' }, audited: true },
    },
  },
  handle: ({ params, body, context }, services) =>
    giveOrder(
      context,
      services,
      { key: params.key, action: 'breaker-forced-closed', detail: { reason: body.reason } },
      (by) => services.breakers.forceClose(params.key, { by, reason: body.reason }),
    ),
});
