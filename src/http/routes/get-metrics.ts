/** `GET /metrics`: for Prometheus. Names of models and upstreams are nobody else's business, so with keys it asks for one. */
import { defineOperation } from '../operation.ts';

export const getMetrics = defineOperation({
  id: 'getMetrics',
  method: 'GET',
  path: '/metrics',
  access: ['read'],
  tag: 'Operations',
  summary: 'Metrics',
  description:
    'In Prometheus’ text format. Once keys exist it takes one with the scope `read`: put it into `authorization.credentials_file` of the scrape job.',
  alwaysAdmitted: true,
  responses: { 200: { description: 'The metrics.', contentType: 'text/plain; version=0.0.4; charset=utf-8' } },
  async handle(_input, { metrics }) {
    const { contentType, body } = await metrics();
    return { kind: 'bytes', status: 200, contentType, bytes: body };
  },
});
