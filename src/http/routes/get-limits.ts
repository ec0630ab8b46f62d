/** `GET /api/limits`: what the caller has left; for the scope `admin`, what any key of the project has. */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import type { Caller } from '#contract/gateway';
import { mayUse } from '../guard.ts';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { strict } from '../wire/common.ts';
import { limitsBody, limitsExample, standingExample, standingSchema, standingView } from '../wire/limit.ts';

const name = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 256, description }));

export const getLimits = defineOperation({
  id: 'getLimits',
  method: 'GET',
  path: '/api/limits',
  access: ['chat', 'read', 'external'],
  tag: 'Limits',
  summary: 'What is left',
  description:
    'Every limit that holds for a call of this key: of its organisation, its project and itself, and of the agent and the route that the query names. ' +
    'Asking counts for none of them.',
  query: Type.Object(
    {
      key: name('Another key of the project; for the scope `admin`.'),
      agent: name('An agent, by its name.'),
      route: name('A route, as the configuration names it; `external:<name>` for an external API.'),
    },
    strict,
  ),
  responses: {
    200: {
      description: 'Where the limits stand.',
      schema: Type.Object({
        mode: Type.Enum(['memory', 'shared', 'share'], {
          description:
            '`shared`: counted over all instances. `memory`: this instance is alone. `share`: Redis does not answer, and each instance allows its share.',
        }),
        dividedBy: Type.Integer({ minimum: 1, description: 'By how many instances each limit is divided now.' }),
        limits: Type.Array(standingSchema),
        stored: Type.Object(
          { key: limitsBody, project: limitsBody },
          { description: 'What is kept with the key and its project, in place of the configuration.' },
        ),
      }),
      example: {
        mode: 'shared',
        dividedBy: 1,
        limits: [standingExample],
        stored: { key: limitsExample, project: {} },
      },
    },
  },
  async handle({ query: { key, agent = null, route = null }, context }, { limits, keys }) {
    const asking = callerOf(context);
    let caller: Caller | null = asking;
    if (key !== undefined && key !== asking.keyId) {
      if (!mayUse(asking, ['admin']))
        throw new CallerError('forbidden', 'Another key’s limits are for the scope "admin".');
      caller = await keys.find(asking.projectId, key);
    }
    if (caller === null) throw notFound('There is no such key that is still valid. GET /api/keys lists them.');
    const report = await limits.report({ caller, agent, route });
    const { key: ofKey = {}, project = {} } = caller.limits ?? {};
    return json({ ...report, limits: report.limits.map(standingView), stored: { key: ofKey, project } });
  },
});
