/** `POST /api/memories`: one fact, for the project, an agent or a conversation of it. */
import { Type } from 'typebox';
import type { MemoryScope } from '#contract/memory';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import type { Services } from '../operation.ts';
import { NO_SUCH_AGENT } from '../wire/agent.ts';
import { strict } from '../wire/common.ts';
import { NO_SUCH_CONVERSATION } from '../wire/conversation.ts';
import { memoryExample, memorySchema, memoryView, scope, text } from '../wire/memory.ts';

export const createMemory = defineOperation({
  id: 'createMemory',
  method: 'POST',
  path: '/api/memories',
  access: ['chat'],
  tag: 'Memories',
  summary: 'Remember a fact',
  description:
    'Found by its words at once. Where the configuration names an embedding model it is found by meaning as well, later where the ' +
    'model does not answer now. White space at its ends is not kept.',
  idempotent: true,
  body: Type.Object({ scope: Type.Optional(scope), text }, strict),
  bodyExample: { scope: memoryExample.scope, text: memoryExample.text },
  responses: { 201: { description: 'The fact.', schema: memorySchema, example: memoryExample } },
  async handle({ body, context }, services) {
    const { projectId } = callerOf(context);
    const whose = body.scope ?? 'project';
    await requireOwner(projectId, whose, services);
    const { signal } = context;
    return json(memoryView(await services.memory.remember({ projectId, scope: whose, text: body.text, signal })), 201);
  },
});

/** Nobody keeps facts of an agent or a conversation that the project does not have. */
async function requireOwner(
  projectId: string,
  whose: MemoryScope,
  { agentStore, conversations }: Pick<Services, 'agentStore' | 'conversations'>,
): Promise<void> {
  const [kind, id] = whose.split(':');
  if (id === undefined) return;
  if (kind === 'agent') {
    if ((await agentStore.find(projectId, id)) === null) throw notFound(NO_SUCH_AGENT);
  } else if ((await conversations.find(projectId, id)) === null) throw notFound(NO_SUCH_CONVERSATION);
}
