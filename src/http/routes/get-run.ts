/** `GET /api/runs/{id}`: why a request got the answer it got. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { noQuery } from '../wire/common.ts';
import { runExample, runSchema, runView } from '../wire/run.ts';

export const getRun = defineOperation({
  id: 'getRun',
  method: 'GET',
  path: '/api/runs/{id}',
  access: ['chat', 'read'],
  tag: 'Runs',
  summary: 'Explain a run',
  description:
    'Every attempt with why it was made, the circuit’s state before and after, timings, what it cost, how its failure was judged and ' +
    'what was done next. The id is in `x-revoagent-run` of the answer. ' +
    'Runs of another key or project are not found.',
  params: Type.Object({ id: Type.String({ description: 'From `x-revoagent-run`.', examples: [runExample.id] }) }),
  query: noQuery,
  responses: { 200: { description: 'The run.', schema: runSchema, example: runExample } },
  async handle({ params, context }, { runs }) {
    const run = isId('run', params.id) ? await runs.get(callerOf(context), params.id) : null;
    if (run === null) throw notFound('There is no such run that this key may see.');
    return json(runView(run));
  },
});
