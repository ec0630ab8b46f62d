/** `GET /api/circuit-breakers/{key}`. */
import { json } from '../answer.ts';
import { defineOperation, notFound } from '../operation.ts';
import { breakerExample, breakerParams, breakerSchema, breakerView } from '../wire/breaker.ts';
import { noQuery } from '../wire/common.ts';

export const getBreaker = defineOperation({
  id: 'getBreaker',
  method: 'GET',
  path: '/api/circuit-breakers/{key}',
  access: ['read'],
  tag: 'Circuit breakers',
  summary: 'Get a circuit breaker',
  description: 'One circuit. Its key is one part of the path: encode what is in it.',
  params: breakerParams,
  query: noQuery,
  responses: { 200: { description: 'The breaker.', schema: breakerSchema, example: breakerExample } },
  handle({ params }, { breakers }) {
    const status = breakers.get(params.key);
    if (status === null) throw notFound('There is no such circuit breaker. GET /api/circuit-breakers lists them.');
    return json(breakerView(status));
  },
});
