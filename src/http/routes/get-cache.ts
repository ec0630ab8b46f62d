/** `GET /api/cache`: how the cache does in this instance. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { noQuery } from '../wire/common.ts';

const count = (description: string) => Type.Integer({ description });

export const getCache = defineOperation({
  id: 'getCache',
  method: 'GET',
  path: '/api/cache',
  access: ['read'],
  tag: 'Cache',
  summary: 'Look at the cache',
  description:
    'Of the instance that answers: what its memory holds, what it was asked since its start, and the tiers beneath.',
  query: noQuery,
  responses: {
    200: {
      description: 'Its figures.',
      schema: Type.Object({
        memory: Type.Object({
          entries: count('Answers held.'),
          bytes: count('Their bytes.'),
          bytesMax: count('`cache.memoryBytesMax`.'),
          evictions: count('Answers that left for want of room.'),
        }),
        lookups: Type.Object({
          memory: count('Answered by memory.'),
          beneath: count('Not in memory.'),
          shared: count('Of these, shared with a look-up or a call that was under way.'),
          stale: count('Answered past their time.'),
        }),
        tiers: Type.Array(
          Type.Object({
            name: Type.String({ description: '`redis` or `database`, nearest first.' }),
            breaker: Type.Object({ key: Type.String(), state: Type.String() }),
          }),
        ),
      }),
      example: {
        memory: { entries: 2_310, bytes: 9_441_200, bytesMax: 134_217_728, evictions: 0 },
        lookups: { memory: 18_201, beneath: 2_904, shared: 377, stale: 2 },
        tiers: [{ name: 'redis', breaker: { key: 'cache:redis', state: 'closed' } }],
      },
    },
  },
  handle(_input, { cache, breakers }) {
    const { hits, misses, shared, staleServed, evictions, entries, bytes, bytesMax, tiers } = cache.report();
    return json({
      memory: { entries, bytes, bytesMax, evictions },
      lookups: { memory: hits, beneath: misses, shared, stale: staleServed },
      tiers: tiers.map(({ name, breaker: key }) => ({
        name,
        breaker: { key, state: breakers.get(key)?.state ?? 'closed' },
      })),
    });
  },
});
