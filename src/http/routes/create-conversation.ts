/** `POST /api/conversations`: an empty one, to which turns are added. */
import { Type } from 'typebox';
import { newId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { NO_SUCH_AGENT } from '../wire/agent.ts';
import { strict } from '../wire/common.ts';
import { agentId, conversationExample, conversationSchema, conversationView, title } from '../wire/conversation.ts';

export const createConversation = defineOperation({
  id: 'createConversation',
  method: 'POST',
  path: '/api/conversations',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Begin a conversation',
  description: 'Empty. Every key of the project with the scope `chat` sees it.',
  idempotent: true,
  body: Type.Object({ agentId: Type.Optional(agentId), title: Type.Optional(title) }, strict),
  bodyExample: { title: conversationExample.title },
  responses: {
    201: {
      description: 'The conversation.',
      schema: conversationSchema,
      example: { ...conversationExample, agentId: null, turns: 0 },
    },
  },
  async handle({ body, context }, { agentStore, conversations, clock }) {
    const { projectId } = callerOf(context);
    if (body.agentId !== undefined && (await agentStore.find(projectId, body.agentId)) === null)
      throw notFound(NO_SUCH_AGENT);
    const wallMs = clock.wallMs();
    const conversation = {
      id: newId('cnv', wallMs),
      projectId,
      agentId: body.agentId ?? null,
      title: body.title ?? null,
      turns: 0,
      summary: null,
      summaryUpTo: 0,
      createdWallMs: wallMs,
      updatedWallMs: wallMs,
    };
    await conversations.insert(conversation);
    return json(conversationView(conversation), 201);
  },
});
