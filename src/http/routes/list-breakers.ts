/** `GET /api/circuit-breakers`: every outbound call goes through one of these. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { breakerExample, breakerSchema, breakerView } from '../wire/breaker.ts';
import { noQuery } from '../wire/common.ts';

export const listBreakers = defineOperation({
  id: 'listBreakers',
  method: 'GET',
  path: '/api/circuit-breakers',
  access: ['read'],
  tag: 'Circuit breakers',
  summary: 'List circuit breakers',
  description: 'The state of each circuit in this instance, as `/metrics` and `/health` show it too.',
  query: noQuery,
  responses: {
    200: {
      description: 'The breakers.',
      schema: Type.Object({ data: Type.Array(breakerSchema) }),
      example: { data: [breakerExample] },
    },
  },
  handle: (_input, { breakers }) => json({ data: breakers.list().map(breakerView) }),
});
