/** `GET /api/keys`: names, scopes and dates; never a secret or its hash. */
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { listSchema, listView, pageOf, pageQuery } from '../wire/common.ts';
import { keyExample, keySchema, keyView } from '../wire/key.ts';

export const listKeys = defineOperation({
  id: 'listKeys',
  method: 'GET',
  path: '/api/keys',
  access: ['admin'],
  tag: 'Keys',
  summary: 'List keys',
  description: 'The keys of the project, the newest first, revoked ones too.',
  query: pageQuery,
  responses: {
    200: {
      description: 'A page of keys.',
      schema: listSchema(keySchema),
      example: { data: [keyExample], nextBefore: null },
    },
  },
  async handle({ query, context }, { keys }) {
    const page = pageOf(query);
    return json(listView((await keys.list(callerOf(context).projectId, page)).map(keyView), page.limit));
  },
});
