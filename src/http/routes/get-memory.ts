/** `GET /api/memories/{id}`: one fact. */
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { memoryExample, memoryParams, memorySchema, memoryView, NO_SUCH_MEMORY } from '../wire/memory.ts';

export const getMemory = defineOperation({
  id: 'getMemory',
  method: 'GET',
  path: '/api/memories/{id}',
  access: ['chat'],
  tag: 'Memories',
  summary: 'Read a fact',
  description: 'As it was given.',
  params: memoryParams,
  query: noQuery,
  responses: { 200: { description: 'The fact.', schema: memorySchema, example: memoryExample } },
  async handle({ params: { id }, context }, { memory }) {
    const found = isId('mem', id) ? await memory.find(callerOf(context).projectId, id) : null;
    if (found === null) throw notFound(NO_SUCH_MEMORY);
    return json(memoryView(found));
  },
});
