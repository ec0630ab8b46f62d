/** `POST /api/keys`: the one answer that holds a key's secret. */
import { Type } from 'typebox';
import { limits } from '#core/limits';
import { SCOPES } from '#contract/gateway';
import { json } from '../answer.ts';
import { actorOf, callerOf, defineOperation } from '../operation.ts';
import { strict } from '../wire/common.ts';
import { limitsBody } from '../wire/limit.ts';
import { keyExample, keySchema, keyView, scopeSchema } from '../wire/key.ts';

export const createKey = defineOperation({
  id: 'createKey',
  method: 'POST',
  path: '/api/keys',
  access: ['admin'],
  tag: 'Keys',
  summary: 'Create a key',
  description:
    'The secret is in this answer and nowhere else: only its hash is kept. The first key ends keyless mode at once, so let it have the scope `admin`.',
  idempotent: 'unkept',
  body: Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: limits.keyNameCharsMax, description: 'Whose it is, for people.' }),
      scopes: Type.Array(scopeSchema, { minItems: 1, maxItems: SCOPES.length, description: 'What it may do.' }),
      limits: Type.Optional(limitsBody),
    },
    strict,
  ),
  bodyExample: { name: 'agent in production', scopes: ['chat'] },
  responses: {
    201: {
      description: 'The key and its secret.',
      schema: Type.Object({
        key: keySchema,
        secret: Type.String({ description: 'Send it as `Authorization: Bearer …`.' }),
      }),
      example: { key: keyExample, secret: 'rvk_…' },
    },
  },
  async handle({ body, context }, { keys }) {
    const { record, secret } = await keys.create({
      projectId: callerOf(context).projectId,
      name: body.name,
      scopes: [...new Set(body.scopes)],
      limits: body.limits,
      actor: actorOf(context),
    });
    return json({ key: keyView(record), secret }, 201);
  },
});
