/** `GET /openapi.json`: this API, for machines. */
import { ifNoneMatchHeader, revalidated } from '../etag.ts';
import { defineOperation } from '../operation.ts';

export const getOpenapi = defineOperation({
  id: 'getOpenapi',
  method: 'GET',
  path: '/openapi.json',
  access: 'open',
  headers: ifNoneMatchHeader,
  tag: 'Operations',
  summary: 'The OpenAPI description',
  description: 'OpenAPI 3.1, made from the same values that route and check requests. `/docs` shows it to people.',
  responses: { 200: { description: 'The document.', contentType: 'application/json' } },
  handle: ({ context }, { openApi }) => revalidated(context, 'application/json', openApi),
});
