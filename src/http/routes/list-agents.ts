/** `GET /api/agents`: the newest first. */
import { Type } from 'typebox';
import { ifNoneMatchHeader, revalidatedJson } from '../etag.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { agentExample, agentSchema, agentView } from '../wire/agent.ts';
import { modelName } from '../wire/chat.ts';
import { listSchema, listView, pageOf, pageQuery, storable, strict } from '../wire/common.ts';

export const listAgents = defineOperation({
  id: 'listAgents',
  method: 'GET',
  path: '/api/agents',
  access: ['chat', 'read'],
  headers: ifNoneMatchHeader,
  tag: 'Agents',
  summary: 'List agents',
  description: 'The agents of the project, the newest first. With an ETag: `If-None-Match` with it gives 304.',
  query: Type.Object(
    {
      ...pageQuery.properties,
      namePrefix: Type.Optional(
        Type.String({ ...storable, minLength: 1, maxLength: 63, description: 'Only those whose name begins so.' }),
      ),
      model: Type.Optional(
        Type.String({
          ...storable,
          ...modelName,
          description: 'Only those with this route or model.',
          examples: ['fast'],
        }),
      ),
    },
    strict,
  ),
  responses: {
    200: {
      description: 'A page of agents.',
      schema: listSchema(agentSchema),
      example: { data: [agentExample], nextBefore: null },
    },
  },
  async handle({ query, context }, { agentStore }) {
    const page = pageOf(query);
    const agents = await agentStore.list(callerOf(context).projectId, page, query);
    return revalidatedJson(context, listView(agents.map(agentView), page.limit));
  },
});
