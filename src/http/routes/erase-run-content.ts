/** `DELETE /api/runs/{id}/content`: what was said in a run is gone; what happened to it stays. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { actorOf, callerOf, defineOperation } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { runExample } from '../wire/run.ts';
import { absent, runParams } from './get-run-content.ts';

export const eraseRunContent = defineOperation({
  id: 'eraseRunContent',
  method: 'DELETE',
  path: '/api/runs/{id}/content',
  access: ['chat'],
  tag: 'Runs',
  summary: 'Erase what was said',
  description:
    'At once and for good, also of a run that goes on, of which nothing is kept then. The run itself stays, and the audit says who did it. ' +
    'For the key that started the run, or an `admin` key of its project.',
  params: runParams,
  query: noQuery,
  responses: {
    200: {
      description: 'Nothing is kept of it.',
      schema: Type.Object({ runId: Type.String(), erased: Type.Literal(true) }),
      example: { runId: runExample.id, erased: true },
    },
  },
  async handle({ params: { id }, context }, { contents }) {
    const done = isId('run', id)
      ? await contents.erase(callerOf(context), actorOf(context), id)
      : ({ absent: 'no-run' } as const);
    if ('absent' in done) throw absent(done.absent);
    return json({ runId: id, erased: true });
  },
});
