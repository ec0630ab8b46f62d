/** `GET /health/live`: the process answers. Asks nothing of anything, so that no dependency gets it killed. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';

export const getLiveness = defineOperation({
  id: 'getLiveness',
  method: 'GET',
  path: '/health/live',
  access: 'open',
  tag: 'Operations',
  summary: 'Is the process alive',
  description: 'For a supervisor: restart it when this does not answer.',
  alwaysAdmitted: true,
  responses: {
    200: {
      description: 'It is.',
      schema: Type.Object({ status: Type.Literal('healthy'), uptimeSeconds: Type.Number() }),
      example: { status: 'healthy', uptimeSeconds: 86_400 },
    },
  },
  handle: (_input, { health }) => json(health.live()),
});
