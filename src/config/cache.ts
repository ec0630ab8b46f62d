/** The `cache` section, and what a route says of it. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { count, ms } from './numbers.ts';

const strict = { additionalProperties: false };
const DAY_MS = 86_400_000;

export const cache = Type.Object(
  {
    memoryBytesMax: count(1_048_576, 68_719_476_736, 134_217_728, "Answers kept in this process's memory, in bytes."),
    database: Type.Boolean({
      default: true,
      description: 'Whether answers are kept in the database too, beneath memory and Redis.',
    }),
    ttlMs: ms(1_000, 30 * DAY_MS, 300_000, 'How long an answer is fresh where its route says nothing.'),
    staleOnErrorMs: ms(
      0,
      30 * DAY_MS,
      DAY_MS,
      'How much longer it stands in, marked as stale, for an upstream that fails. 0: never.',
    ),
    waitMs: ms(
      0,
      600_000,
      30_000,
      'How long a caller waits for another instance that is asking the same; then it asks for itself.',
    ),
  },
  {
    ...strict,
    description: 'Answers kept and shared, for routes and callers that want it: docs/caching.md.',
  },
);

export type CacheConfig = Readonly<Static<typeof cache>>;

/** In a route: what is asked of it is cached unless its caller says otherwise. */
export const routeCache = Type.Optional(
  Type.Object(
    {
      ttlMs: Type.Optional(
        Type.Integer({ minimum: 1_000, maximum: 30 * DAY_MS, description: 'In place of cache.ttlMs. Milliseconds.' }),
      ),
      staleOnErrorMs: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 30 * DAY_MS,
          description: 'In place of cache.staleOnErrorMs. Milliseconds.',
        }),
      ),
    },
    {
      ...strict,
      description:
        'Answers are cached, and identical requests that are under way at the same time share one, unless the caller says otherwise (x-revoagent-cache). An empty object takes the defaults.',
    },
  ),
);
