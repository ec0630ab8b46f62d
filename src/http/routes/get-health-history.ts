/** `GET /health/history`: what changed in the health of this instance. */
import { Type } from 'typebox';
import { limits } from '#core/limits';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { noQuery, nullable, timestamp } from '../wire/common.ts';

const status = Type.Enum(['healthy', 'degraded', 'unhealthy']);

export const getHealthHistory = defineOperation({
  id: 'getHealthHistory',
  method: 'GET',
  path: '/health/history',
  access: ['read'],
  tag: 'Operations',
  summary: 'Changes of health',
  description:
    'Each time that a check came to another status, the newest first; of this instance since its start, ' +
    `${limits.healthChangesMax} at most. A check is looked at when somebody asks for /health, /health/ready or /metrics.`,
  query: noQuery,
  responses: {
    200: {
      description: 'The changes.',
      schema: Type.Object({
        data: Type.Array(
          Type.Object({
            name: Type.String({ description: 'Of the check.' }),
            from: nullable(status, 'Null for the first result of a check.'),
            to: status,
            detail: Type.String(),
            at: timestamp,
          }),
        ),
      }),
      example: {
        data: [
          {
            name: 'database',
            from: 'healthy',
            to: 'unhealthy',
            detail: 'The check did not answer within 1000 ms.',
            at: '2026-01-01T12:00:00.000Z',
          },
        ],
      },
    },
  },
  async handle(_input, { health }) {
    return json({ data: health.history() });
  },
});
