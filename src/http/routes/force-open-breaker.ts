/** `POST /api/circuit-breakers/{key}/force-open`: an order of a person, with a reason, written to the audit. */
import { defineOperation } from '../operation.ts';
import { breakerExample, breakerParams, giveOrder, forceOpenBody, orderedSchema } from '../wire/breaker.ts';

export const forceOpenBreaker = defineOperation({
  id: 'forceOpenBreaker',
  method: 'POST',
  path: '/api/circuit-breakers/{key}/force-open',
  access: ['admin'],
  tag: 'Circuit breakers',
  summary: 'Force a circuit open',
  description: 'No call gets through until it is reset or the time is over: for an upstream that is known to be ill.',
  params: breakerParams,
  body: forceOpenBody,
  bodyExample: { reason: 'provider incident 4711', forMs: 600_000 },
  responses: {
    200: {
      description: 'Its new state.',
      schema: orderedSchema,
      example: { breaker: { ...breakerExample, state: 'forced_open' }, audited: true },
    },
  },
  handle: ({ params, body, context }, services) =>
    giveOrder(
      context,
      services,
      { key: params.key, action: 'breaker-forced-open', detail: { reason: body.reason, forMs: body.forMs ?? null } },
      (by) =>
        services.breakers.forceOpen(params.key, {
          by,
          reason: body.reason,
          ...(body.forMs === undefined ? {} : { forMs: body.forMs }),
        }),
    ),
});
