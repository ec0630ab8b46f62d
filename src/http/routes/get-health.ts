/** `GET /health`: every check for whoever may read, the bare status for anybody. */
import { Type } from 'typebox';
import { mayUse } from '../guard.ts';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { timestamp } from '../wire/common.ts';

const status = Type.Enum(['healthy', 'degraded', 'unhealthy']);

export const getHealth = defineOperation({
  id: 'getHealth',
  method: 'GET',
  path: '/health',
  access: 'optional',
  tag: 'Operations',
  summary: 'Health, check by check',
  description:
    'Without keys, or for a key with the scope `read`: every check with its status, figures, since when, and its runbook. Otherwise the status alone. ' +
    'For load balancers there are `/health/ready` and `/health/live`.',
  alwaysAdmitted: true,
  responses: {
    200: {
      description: 'Healthy or degraded: it serves.',
      schema: Type.Object({
        status,
        version: Type.Optional(Type.String()),
        instance: Type.Optional(Type.String()),
        uptimeSeconds: Type.Optional(Type.Number()),
        checks: Type.Optional(
          Type.Array(
            Type.Object({
              name: Type.String(),
              status,
              detail: Type.String(),
              data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
              tookMs: Type.Number(),
              since: timestamp,
              runbook: Type.String({ description: 'docs/runbooks/{runbook}.md' }),
            }),
          ),
        ),
      }),
      example: {
        status: 'healthy',
        version: '0.1.0',
        instance: 'hub-1',
        uptimeSeconds: 86_400,
        checks: [
          {
            name: 'database',
            status: 'healthy',
            detail: 'Answered in 0.8 ms.',
            data: { tookMs: 0.8 },
            tookMs: 0.9,
            since: '2026-01-01T12:00:00.000Z',
            runbook: 'database',
          },
        ],
      },
    },
    503: { description: 'Unhealthy.', schema: Type.Object({ status }) },
  },
  async handle({ context }, { health }) {
    const report = await health.report();
    const code = report.status === 'unhealthy' ? 503 : 200;
    const full = context.caller !== null && mayUse(context.caller, ['read']);
    return json(full ? report : { status: report.status }, code);
  },
});
