/** `DELETE /api/keys/{id}`: a key that is revoked opens nothing any more and stays in the list. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { actorOf, callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { keyExample } from '../wire/key.ts';

export const revokeKey = defineOperation({
  id: 'revokeKey',
  method: 'DELETE',
  path: '/api/keys/{id}',
  access: ['admin'],
  tag: 'Keys',
  summary: 'Revoke a key',
  description:
    'At once in this instance and, over the Redis of the cache, in the others; without Redis as soon as their copy of the key is stale (30 s). It cannot be undone.',
  params: Type.Object({ id: Type.String({ description: 'From `GET /api/keys`.', examples: [keyExample.id] }) }),
  query: noQuery,
  responses: {
    200: {
      description: 'It is revoked.',
      schema: Type.Object({ id: Type.String(), revoked: Type.Literal(true) }),
      example: { id: keyExample.id, revoked: true },
    },
  },
  async handle({ params: { id }, context }, { keys }) {
    const { projectId } = callerOf(context);
    const revoked = isId('key', id) && (await keys.revoke({ projectId, id, actor: actorOf(context) }));
    if (!revoked) throw notFound('There is no such key that is still valid. GET /api/keys lists them.');
    return json({ id, revoked: true });
  },
});
