/** `PATCH /api/conversations/{id}`: its title, which is all of it that a caller may change. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery, strict } from '../wire/common.ts';
import {
  conversationExample,
  conversationParams,
  conversationSchema,
  conversationView,
  NO_SUCH_CONVERSATION,
  title,
} from '../wire/conversation.ts';

export const renameConversation = defineOperation({
  id: 'renameConversation',
  method: 'PATCH',
  path: '/api/conversations/{id}',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Rename a conversation',
  description: 'Null takes the title away. Turns are never changed.',
  params: conversationParams,
  query: noQuery,
  body: Type.Object({ title }, strict),
  bodyExample: { title: conversationExample.title },
  responses: { 200: { description: 'The conversation.', schema: conversationSchema, example: conversationExample } },
  async handle({ params: { id }, body, context }, { conversations, clock }) {
    const { projectId } = callerOf(context);
    const renamed = isId('cnv', id) && (await conversations.rename(projectId, id, body.title, clock.wallMs()));
    const conversation = renamed ? await conversations.find(projectId, id) : null;
    if (conversation === null) throw notFound(NO_SUCH_CONVERSATION);
    return json(conversationView(conversation));
  },
});
