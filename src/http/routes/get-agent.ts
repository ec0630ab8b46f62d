/** `GET /api/agents/{id}`: an agent with all its settings. */
import { isId } from '#core/ids';
import { ifNoneMatchHeader, versioned } from '../etag.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { agentExample, agentParams, agentSchema, agentView, NO_SUCH_AGENT } from '../wire/agent.ts';
import { noQuery } from '../wire/common.ts';

export const getAgent = defineOperation({
  id: 'getAgent',
  method: 'GET',
  path: '/api/agents/{id}',
  access: ['chat', 'read'],
  tag: 'Agents',
  summary: 'Read an agent',
  description: 'With its version as ETag. `If-None-Match` with that ETag: 304, without a body.',
  params: agentParams,
  query: noQuery,
  headers: ifNoneMatchHeader,
  responses: { 200: { description: 'The agent.', schema: agentSchema, example: agentExample } },
  async handle({ params: { id }, context }, { agentStore }) {
    const agent = isId('agt', id) ? await agentStore.find(callerOf(context).projectId, id) : null;
    if (agent === null) throw notFound(NO_SUCH_AGENT);
    return versioned(context, agentView(agent));
  },
});
