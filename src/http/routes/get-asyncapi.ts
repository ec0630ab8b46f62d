/** `GET /asyncapi.json`: the WebSocket, for machines. */
import { ifNoneMatchHeader, revalidated } from '../etag.ts';
import { defineOperation } from '../operation.ts';

export const getAsyncapi = defineOperation({
  id: 'getAsyncapi',
  method: 'GET',
  path: '/asyncapi.json',
  access: 'open',
  headers: ifNoneMatchHeader,
  tag: 'Operations',
  summary: 'The AsyncAPI description of the WebSocket',
  description:
    'AsyncAPI 3.0 of `/ws/chat`, made from the same values that check its messages. docs/websocket.md tells more.',
  responses: { 200: { description: 'The document.', contentType: 'application/json' } },
  handle: ({ context }, { asyncApi }) => revalidated(context, 'application/json', asyncApi),
});
