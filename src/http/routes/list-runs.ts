/** `GET /api/runs`: the newest first. */
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { listSchema, listView, pageOf, pageQuery } from '../wire/common.ts';
import { runExample, runSchema, runView } from '../wire/run.ts';

export const listRuns = defineOperation({
  id: 'listRuns',
  method: 'GET',
  path: '/api/runs',
  access: ['chat', 'read'],
  tag: 'Runs',
  summary: 'List runs',
  description:
    'The newest first. A key sees the runs it started; a key with the scope `admin` sees all of its project.',
  query: pageQuery,
  responses: {
    200: {
      description: 'A page of runs.',
      schema: listSchema(runSchema),
      example: { data: [runExample], nextBefore: null },
    },
  },
  async handle({ query, context }, { runs }) {
    const page = pageOf(query);
    return json(listView((await runs.list(callerOf(context), page)).map(runView), page.limit));
  },
});
