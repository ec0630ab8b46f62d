/** `DELETE /api/cache`: kept answers are no longer given, by any instance; what was being made when it was asked for is not kept. */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import { CACHED_KINDS } from '#contract/answer-cache';
import type { CacheTarget } from '#contract/cache-control';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { writtenDown } from '../written-down.ts';

/** Of a route whose name is as long as one can be, each character three bytes and each byte three characters of a URL. */
const TAG_CHARS_MAX = 'route:'.length + 9 * limits.modelNameCharsMax;

const KEY = 'chat:3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

const query = Type.Object(
  {
    key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        pattern: '^[!-~]+$',
        description: 'One answer, by its `x-revoagent-cache-key`.',
        examples: [KEY],
      }),
    ),
    tag: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: TAG_CHARS_MAX,
        pattern: '^(route|external):[!-~]+$',
        description:
          'All of a route, `route:<name>` with the name URL-encoded, or of an external API: `external:<name>`.',
        examples: ['route:gpt-4o'],
      }),
    ),
    prefix: Type.Optional(
      Type.Enum(
        CACHED_KINDS.map((kind) => `${kind}:`),
        { description: 'All of a kind.', examples: ['chat:'] },
      ),
    ),
    all: Type.Optional(Type.Enum(['true'], { description: 'Everything of the project.', examples: ['true'] })),
  },
  { additionalProperties: false },
);

export const invalidateCache = defineOperation({
  id: 'invalidateCache',
  method: 'DELETE',
  path: '/api/cache',
  access: ['admin'],
  tag: 'Cache',
  summary: 'Take answers out of the cache',
  description:
    'Of the key’s project, by key, tag, prefix, or all: exactly one of them. Leaves no copy for an outage either. Answered when memory and every tier that is there have it; one that is away is not read before it has.',
  query,
  responses: {
    200: {
      description: 'It is done.',
      schema: Type.Object({
        invalidated: Type.String({ description: 'What was asked for.' }),
        audited: Type.Boolean({ description: 'False where the database was away: it is done, and the log has it.' }),
      }),
      example: { invalidated: 'prefix chat:', audited: true },
    },
  },
  async handle({ query: asked, context }, services) {
    const target = targetOf(asked);
    await services.cache.invalidate(callerOf(context).projectId, target);
    const [[how, what] = ['all', true]] = Object.entries(target);
    const subject = how === 'all' ? 'all' : `${how} ${String(what)}`;
    const audited = await writtenDown(context, services, { action: 'cache-invalidated', subject, detail: {} });
    return json({ invalidated: subject, audited });
  },
});

function targetOf({ key, tag, prefix, all }: Asked): CacheTarget {
  const targets: CacheTarget[] = [];
  if (key !== undefined) targets.push({ key });
  if (tag !== undefined) targets.push({ tag });
  if (prefix !== undefined) targets.push({ prefix });
  if (all !== undefined) targets.push({ all: true });
  const [target] = targets;
  if (target === undefined || targets.length > 1)
    throw new CallerError('bad_request', 'Give exactly one of key, tag, prefix or all=true.', { param: 'query' });
  return target;
}

interface Asked {
  readonly key?: string;
  readonly tag?: string;
  readonly prefix?: string;
  readonly all?: string;
}
