/** `DELETE /api/agents/{id}`: it is gone, with what it remembers; its conversations stay. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { auditAgent } from '../agent-audit.ts';
import { ifMatchHeader, matched, versionChanged } from '../etag.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { agentExample, agentParams, NO_SUCH_AGENT } from '../wire/agent.ts';
import { noQuery } from '../wire/common.ts';

export const deleteAgent = defineOperation({
  id: 'deleteAgent',
  method: 'DELETE',
  path: '/api/agents/{id}',
  access: ['admin'],
  tag: 'Agents',
  summary: 'Delete an agent',
  description:
    'With the facts of its own. Its conversations stay, and name no agent any more. `If-Match`: 412 where it has changed since.',
  params: agentParams,
  query: noQuery,
  headers: ifMatchHeader,
  responses: {
    200: {
      description: 'It is deleted.',
      schema: Type.Object({ id: Type.String(), deleted: Type.Literal(true) }),
      example: { id: agentExample.id, deleted: true },
    },
  },
  async handle({ params: { id }, context }, services) {
    const { agentStore } = services;
    const { projectId } = callerOf(context);
    const agent = isId('agt', id) ? await agentStore.find(projectId, id) : null;
    if (agent === null) throw notFound(NO_SUCH_AGENT);
    const conditional = matched(context, agent.version);
    switch (await agentStore.delete(projectId, id, conditional ? agent.version : undefined)) {
      case 'missing':
        throw notFound(NO_SUCH_AGENT);
      case 'changed':
        throw versionChanged();
      case 'deleted':
    }
    await auditAgent(context, services, 'agent-deleted', agent);
    return json({ id, deleted: true });
  },
});
