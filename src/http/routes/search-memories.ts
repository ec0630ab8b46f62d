/** `GET /api/memories/search`: what an agent would recall, the best first. */
import { Type } from 'typebox';
import { limits } from '#core/limits';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { strict } from '../wire/common.ts';
import { memoryExample, memorySchema, memoryView, scope } from '../wire/memory.ts';

const SEARCH_CHARS_MAX = 1_000;
const ROWS_DEFAULT = 10;

export const searchMemories = defineOperation({
  id: 'searchMemories',
  method: 'GET',
  path: '/api/memories/search',
  access: ['chat'],
  tag: 'Memories',
  summary: 'Search facts',
  description:
    'Facts of one scope, the best first: by any of the words, in any form that English has of them, and by meaning where the ' +
    'configuration names an embedding model.',
  query: Type.Object(
    {
      q: Type.String({
        minLength: 1,
        maxLength: SEARCH_CHARS_MAX,
        description: 'What the facts should bear on.',
        examples: ['Where are orders shipped from?'],
      }),
      scope: Type.Optional({ ...scope, description: 'Whose facts; those of the project where it is not given.' }),
      limit: Type.Optional(
        Type.String({
          pattern: '^(?:[1-9]|[1-4][0-9]|50)$',
          patternMeaning: `must be a whole number from 1 to ${limits.recallRowsMax}`,
          description: `Facts at most, 1 to ${limits.recallRowsMax}; ${ROWS_DEFAULT} where it is not given.`,
          examples: ['5'],
        }),
      ),
    },
    strict,
  ),
  responses: {
    200: {
      description: 'What was found.',
      schema: Type.Object({
        data: Type.Array(
          Type.Object({
            ...memorySchema.properties,
            score: Type.Number({ description: 'Above 0, greater is nearer; comparable within one answer only.' }),
          }),
        ),
      }),
      example: { data: [{ ...memoryExample, score: 0.0328 }] },
    },
  },
  async handle({ query, context }, { memory }) {
    const found = await memory.recall({
      projectId: callerOf(context).projectId,
      scopes: [query.scope ?? 'project'],
      text: query.q,
      limit: query.limit === undefined ? ROWS_DEFAULT : Number(query.limit),
      signal: context.signal,
    });
    return json({ data: found.map((each) => ({ ...memoryView(each), score: each.score })) });
  },
});
