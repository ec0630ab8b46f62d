/** `GET /`: the status page. */
import { defineOperation } from '../operation.ts';
import { pageHeaders } from '../page.ts';

export const getStatusPage = defineOperation({
  id: 'getStatusPage',
  method: 'GET',
  path: '/',
  access: 'open',
  tag: 'Operations',
  summary: 'Status page',
  description: 'What this hub is doing, for people.',
  hidden: true,
  responses: { 200: { description: 'The page.', contentType: 'text/html' } },
  handle: ({ context }, { assets }) => ({
    kind: 'bytes',
    status: 200,
    contentType: 'text/html; charset=utf-8',
    bytes: assets.page,
    headers: pageHeaders(context.incoming.headers),
  }),
});
