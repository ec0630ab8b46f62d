/** `GET /openapi.json`: this API, for machines. */
import { defineOperation } from '../operation.ts';

export const getOpenapi = defineOperation({
  id: 'getOpenapi',
  method: 'GET',
  path: '/openapi.json',
  access: 'open',
  tag: 'Operations',
  summary: 'The OpenAPI description',
  description: 'OpenAPI 3.1, made from the same values that route and check requests. `/docs` shows it to people.',
  responses: { 200: { description: 'The document.', contentType: 'application/json' } },
  handle: (_input, { openApi }) => ({ kind: 'bytes', status: 200, contentType: 'application/json', bytes: openApi }),
});
