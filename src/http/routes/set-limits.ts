/** `PUT /api/keys/{id}/limits` and `PUT /api/limits`: the limits kept with a key and with the project, before the configuration's. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { actorOf, callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { keyExample } from '../wire/key.ts';
import { limitsBody, limitsExample } from '../wire/limit.ts';

const KEPT =
  'Replaces what is kept; what is left out is as the configuration says, so that `{}` takes all of it back. At once in this instance, in others within 30 s; what has been counted stays.';

const shared = {
  method: 'PUT',
  access: ['admin'],
  tag: 'Limits',
  query: noQuery,
  body: limitsBody,
  bodyExample: limitsExample,
  responses: {
    200: { description: 'They hold.', schema: Type.Object({ limits: limitsBody }), example: { limits: limitsExample } },
  },
} as const;

export const setKeyLimits = defineOperation({
  ...shared,
  id: 'setKeyLimits',
  path: '/api/keys/{id}/limits',
  summary: 'Set a key’s limits',
  description: KEPT,
  params: Type.Object({ id: Type.String({ description: 'From `GET /api/keys`.', examples: [keyExample.id] }) }),
  async handle({ params: { id }, body: limits, context }, { keys }) {
    const { projectId } = callerOf(context);
    const kept = await keys.setLimits({ projectId, id, limits, actor: actorOf(context) });
    if (!kept) throw notFound('There is no such key that is still valid. GET /api/keys lists them.');
    return json({ limits });
  },
});

export const setProjectLimits = defineOperation({
  ...shared,
  id: 'setProjectLimits',
  path: '/api/limits',
  summary: 'Set the project’s limits',
  description: `For the calls of all its keys together. ${KEPT}`,
  async handle({ body: limits, context }, { keys }) {
    await keys.setProjectLimits({ projectId: callerOf(context).projectId, limits, actor: actorOf(context) });
    return json({ limits });
  },
});
