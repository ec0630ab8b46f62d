/** `GET /health/ready`: whether a balancer should send requests here. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';

const readiness = Type.Object({
  ready: Type.Boolean(),
  reason: Type.String({ description: 'Why not; empty when ready.' }),
});

export const getReadiness = defineOperation({
  id: 'getReadiness',
  method: 'GET',
  path: '/health/ready',
  access: 'open',
  tag: 'Operations',
  summary: 'Can it serve',
  description: 'For a load balancer. A dependency that the hub can do without does not turn it red; draining does.',
  alwaysAdmitted: true,
  responses: {
    200: { description: 'Send requests.', schema: readiness, example: { ready: true, reason: '' } },
    503: {
      description: 'Send them elsewhere.',
      schema: readiness,
      example: { ready: false, reason: 'The hub is shutting down.' },
    },
  },
  async handle(_input, { health }) {
    const { ready, reason } = await health.ready();
    return json({ ready, reason }, ready ? 200 : 503);
  },
});
