/** `GET /api/conversations/{id}`: what is known of it besides its turns. */
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import {
  conversationExample,
  conversationParams,
  conversationSchema,
  conversationView,
  NO_SUCH_CONVERSATION,
} from '../wire/conversation.ts';

export const getConversation = defineOperation({
  id: 'getConversation',
  method: 'GET',
  path: '/api/conversations/{id}',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Read a conversation',
  description: 'Without its turns, which `GET /api/conversations/{id}/turns` gives by the page.',
  params: conversationParams,
  query: noQuery,
  responses: { 200: { description: 'The conversation.', schema: conversationSchema, example: conversationExample } },
  async handle({ params: { id }, context }, { conversations }) {
    const conversation = isId('cnv', id) ? await conversations.find(callerOf(context).projectId, id) : null;
    if (conversation === null) throw notFound(NO_SUCH_CONVERSATION);
    return json(conversationView(conversation));
  },
});
