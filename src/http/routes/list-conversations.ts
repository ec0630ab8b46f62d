/** `GET /api/conversations`: the newest first; all, those of an agent, or those in which something was said. */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { listSchema, listView, pageOf, pageQuery, strict } from '../wire/common.ts';
import { agentId, conversationExample, conversationSchema, conversationView } from '../wire/conversation.ts';

const SEARCH_CHARS_MAX = 400;

export const listConversations = defineOperation({
  id: 'listConversations',
  method: 'GET',
  path: '/api/conversations',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'List or search conversations',
  description:
    'The conversations of the project, the newest first. `search` gives those with a turn that holds all its words, whole and in any ' +
    `case. Of words that more than ${limits.searchMatchesMax} turns hold, the newest ${limits.searchTurnsMax} turns are looked through.`,
  query: Type.Object(
    {
      ...pageQuery.properties,
      agentId: Type.Optional({ ...agentId, description: 'Only those of this agent.' }),
      search: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: SEARCH_CHARS_MAX,
          description: 'Words; not together with `agentId`.',
          examples: ['order'],
        }),
      ),
    },
    strict,
  ),
  responses: {
    200: {
      description: 'A page of conversations.',
      schema: listSchema(conversationSchema),
      example: { data: [conversationExample], nextBefore: null },
    },
  },
  async handle({ query, context }, { conversations }) {
    const page = pageOf(query);
    const { projectId } = callerOf(context);
    if (query.search !== undefined && query.agentId !== undefined)
      throw new CallerError('bad_request', 'search and agentId cannot be combined.', { param: 'search' });
    const found =
      query.search === undefined
        ? await conversations.list(projectId, page, query)
        : await conversations.search(projectId, query.search, page);
    return json(listView(found.map(conversationView), page.limit));
  },
});
