/** `DELETE /api/memories/{id}`: the fact, its words and its embedding. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { memoryExample, memoryParams, NO_SUCH_MEMORY } from '../wire/memory.ts';

export const deleteMemory = defineOperation({
  id: 'deleteMemory',
  method: 'DELETE',
  path: '/api/memories/{id}',
  access: ['chat'],
  tag: 'Memories',
  summary: 'Forget a fact',
  description:
    'With its words and its embedding, for good. An agent or a conversation that is deleted takes its facts with it.',
  params: memoryParams,
  query: noQuery,
  responses: {
    200: {
      description: 'It is deleted.',
      schema: Type.Object({ id: Type.String(), deleted: Type.Literal(true) }),
      example: { id: memoryExample.id, deleted: true },
    },
  },
  async handle({ params: { id }, context }, { memory }) {
    const deleted = isId('mem', id) && (await memory.forget(callerOf(context).projectId, id));
    if (!deleted) throw notFound(NO_SUCH_MEMORY);
    return json({ id, deleted: true });
  },
});
