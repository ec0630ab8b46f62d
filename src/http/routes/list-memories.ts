/** `GET /api/memories`: the newest first; all of the project, or those of one scope. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { listSchema, listView, pageOf, pageQuery, strict } from '../wire/common.ts';
import { memoryExample, memorySchema, memoryView, scope } from '../wire/memory.ts';

export const listMemories = defineOperation({
  id: 'listMemories',
  method: 'GET',
  path: '/api/memories',
  access: ['chat'],
  tag: 'Memories',
  summary: 'List facts',
  description: 'The facts of the project, the newest first.',
  query: Type.Object({ ...pageQuery.properties, scope: Type.Optional(scope) }, strict),
  responses: {
    200: {
      description: 'A page of facts.',
      schema: listSchema(memorySchema),
      example: { data: [memoryExample], nextBefore: null },
    },
  },
  async handle({ query, context }, { memory }) {
    const page = pageOf(query);
    const found = await memory.list(callerOf(context).projectId, page, query);
    return json(listView(found.map(memoryView), page.limit));
  },
});
