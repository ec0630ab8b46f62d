/** `GET /api/conversations/{id}/turns`: the newest first. */
import { Type } from 'typebox';
import { isId } from '#core/ids';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { nullable, pageOf, pageQuery, strict } from '../wire/common.ts';
import { conversationParams, NO_SUCH_CONVERSATION, turnExample, turnSchema, turnView } from '../wire/conversation.ts';

export const listTurns = defineOperation({
  id: 'listTurns',
  method: 'GET',
  path: '/api/conversations/{id}/turns',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Read turns',
  description:
    'The newest first. A turn whose instance died is `broken`; what it had not finished is not part of the conversation.',
  params: conversationParams,
  query: Type.Object(
    {
      limit: pageQuery.properties.limit,
      before: Type.Optional(
        Type.String({
          pattern: '^[1-9][0-9]{0,8}$',
          patternMeaning: 'must be the number of a turn, as `nextBefore` gives it',
          description: 'Only turns with a smaller number: `nextBefore` of the page before.',
          examples: ['21'],
        }),
      ),
    },
    strict,
  ),
  responses: {
    200: {
      description: 'A page of turns.',
      schema: Type.Object({
        data: Type.Array(turnSchema),
        nextBefore: nullable(Type.Integer(), 'Give it as `before` for the next page; null on the last one.'),
      }),
      example: { data: [turnExample], nextBefore: null },
    },
  },
  async handle({ params: { id }, query: { before, ...query }, context }, { conversations, clock }) {
    const { projectId } = callerOf(context);
    if (!isId('cnv', id)) throw notFound(NO_SUCH_CONVERSATION);
    const { limit } = pageOf(query);
    const page = { limit, before: before === undefined ? undefined : Number(before) };
    const turns = await conversations.turns(projectId, id, page, clock.wallMs());
    if (turns.length === 0 && (await conversations.find(projectId, id)) === null) throw notFound(NO_SUCH_CONVERSATION);
    const last = turns.at(-1);
    const more = turns.length === limit && last !== undefined && last.number > 1;
    return json({ data: turns.map(turnView), nextBefore: more ? last.number : null });
  },
});
