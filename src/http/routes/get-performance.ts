/** `GET /api/performance`: this instance in the last minute and since it started. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { noQuery, nullable } from '../wire/common.ts';

const percentiles = Type.Object({ p50Ms: Type.Number(), p95Ms: Type.Number(), p99Ms: Type.Number() });

export const getPerformance = defineOperation({
  id: 'getPerformance',
  method: 'GET',
  path: '/api/performance',
  access: ['read'],
  tag: 'Operations',
  summary: 'Performance of this instance',
  description:
    'Rates and percentiles over the last minute, totals since the start. `hubTime` is `totalTime` minus waiting for upstreams; both are without pages, health and metrics.',
  query: noQuery,
  responses: {
    200: {
      description: 'The figures.',
      schema: Type.Object({
        instance: Type.String(),
        uptimeSeconds: Type.Number(),
        window: Type.Object({
          seconds: Type.Number(),
          requests: Type.Integer(),
          requestsPerSecond: Type.Number(),
          errorRate: Type.Number({ description: '5xx and streams that ended in an error, over all; 0 to 1.' }),
          hubTime: nullable(percentiles, 'Null where there was no request.'),
          totalTime: nullable(percentiles, 'Null where there was no request.'),
        }),
        totals: Type.Object({ requests: Type.Integer(), errors: Type.Integer(), attempts: Type.Integer() }),
        inFlight: Type.Integer({ description: 'Requests that are being answered, this one among them.' }),
        eventLoop: Type.Object({ delayP99Ms: Type.Number(), utilisation: Type.Number() }),
        memory: Type.Object({
          rssBytes: Type.Integer(),
          heapUsedBytes: Type.Integer(),
          heapLimitBytes: Type.Integer(),
        }),
      }),
      example: {
        instance: 'hub-1',
        uptimeSeconds: 86_400,
        window: {
          seconds: 60,
          requests: 5400,
          requestsPerSecond: 90,
          errorRate: 0.0004,
          hubTime: { p50Ms: 0.4, p95Ms: 1.1, p99Ms: 2.6 },
          totalTime: { p50Ms: 640, p95Ms: 2100, p99Ms: 4800 },
        },
        totals: { requests: 7_100_000, errors: 2900, attempts: 7_130_000 },
        inFlight: 61,
        eventLoop: { delayP99Ms: 3.1, utilisation: 0.21 },
        memory: { rssBytes: 187_000_000, heapUsedBytes: 64_000_000, heapLimitBytes: 2_200_000_000 },
      },
    },
  },
  handle: (_input, { performance }) => json(performance()),
});
