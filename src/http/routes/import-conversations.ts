/** `POST /api/conversations/import`: what an export gave, into the caller's project; all of it or nothing. */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import { json } from '../answer.ts';
import { readBody, utf8Type } from '../body.ts';
import { JSON_LINES, linesExample, readLines } from '../conversation-lines.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { noQuery } from '../wire/common.ts';

const LINES_TYPE = utf8Type('jsonl|x-ndjson');

export const importConversations = defineOperation({
  id: 'importConversations',
  method: 'POST',
  path: '/api/conversations/import',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Import conversations',
  description:
    `JSON Lines as the export gives them, up to ${limits.importBytesMax} bytes and ${limits.importTurnsMax} turns; more is sent in parts. ` +
    'All or nothing: each bad line is named by its number. Ids are kept; one that is there already: 409. An agent that this project does ' +
    'not have is no longer named.',
  query: noQuery,
  takesBytes: JSON_LINES,
  bodyExample: linesExample,
  responses: {
    201: {
      description: 'How much was taken.',
      schema: Type.Object({ conversations: Type.Integer(), turns: Type.Integer() }),
      example: { conversations: 1, turns: 1 },
    },
  },
  async handle({ context }, { conversations, clock }) {
    const { incoming, signal } = context;
    const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = incoming.headers;
    if (!LINES_TYPE.test(type) || encoding !== 'identity')
      throw new CallerError('unsupported_media_type', `Send JSON Lines with \`content-type: ${JSON_LINES}\`.`);
    const bytes = await readBody(incoming, limits.importBytesMax, signal);
    if (bytes.length === 0) throw new CallerError('invalid_body', 'The body is empty. Send at least one line.');
    const read = await readLines(bytes, callerOf(context).projectId, clock);
    if (!(await conversations.importMany(read)))
      throw new CallerError('conflict', 'One of the conversations is there already. Nothing was taken.');
    return json({ conversations: read.length, turns: read.reduce((sum, { turns }) => sum + turns.length, 0) }, 201);
  },
});
