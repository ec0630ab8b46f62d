/** `DELETE /api/conversations/{id}`: nothing of it is left in any table. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { conversationExample, conversationParams, NO_SUCH_CONVERSATION } from '../wire/conversation.ts';

export const deleteConversation = defineOperation({
  id: 'deleteConversation',
  method: 'DELETE',
  path: '/api/conversations/{id}',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Delete a conversation',
  description:
    'With its turns and the facts of its own, for good: no table keeps anything of what was said. A turn under way is not kept either. ' +
    'Backups of the database are its operator’s.',
  params: conversationParams,
  query: noQuery,
  responses: {
    200: {
      description: 'It is deleted.',
      schema: Type.Object({ id: Type.String(), deleted: Type.Literal(true) }),
      example: { id: conversationExample.id, deleted: true },
    },
  },
  async handle({ params: { id }, context }, { conversations }) {
    const deleted = isId('cnv', id) && (await conversations.delete(callerOf(context).projectId, id));
    if (!deleted) throw notFound(NO_SUCH_CONVERSATION);
    return json({ id, deleted: true });
  },
});
