/** `GET /api/conversations/export`: everything that the project keeps of its conversations, at the pace of who reads it. */
import type { Answer } from '../answer.ts';
import { exportedLines, JSON_LINES, linesExample } from '../conversation-lines.ts';
import { translateError } from '../errors/translate.ts';
import { callerOf, defineOperation } from '../operation.ts';
import type { Services } from '../operation.ts';
import type { RequestContext } from '../request-context.ts';
import { drained } from '../waiting.ts';
import { noQuery } from '../wire/common.ts';

export const exportConversations = defineOperation({
  id: 'exportConversations',
  method: 'GET',
  path: '/api/conversations/export',
  access: ['chat'],
  tag: 'Conversations',
  summary: 'Export conversations',
  description:
    'All of the project as JSON Lines: a line for a conversation, the newest first, then one for each of its turns, from the first on. ' +
    'What changes meanwhile may be in it or not. Where it cannot be given whole, the connection breaks off.',
  query: noQuery,
  responses: { 200: { description: 'The lines.', contentType: JSON_LINES, example: linesExample } },
  async handle({ context }, services) {
    const lines = exportedLines(callerOf(context).projectId, services);
    // Asked for before anything is sent: a database that is gone is still told as 503.
    const first = await lines.next();
    return send(context, services, first.done === true ? '' : first.value, lines);
  },
});

async function send(
  context: RequestContext,
  { clock, logger }: Services,
  first: string,
  rest: AsyncGenerator<string, void>,
): Promise<Answer> {
  const { incoming, outgoing, headers } = context;
  outgoing.writeHead(200, { ...headers, 'content-type': JSON_LINES });
  try {
    if (!outgoing.write(first)) await drained(context, clock);
    // Who asks for the head is spared the reading.
    if (incoming.method !== 'HEAD')
      for await (const line of rest) if (!outgoing.write(line)) await drained(context, clock);
    outgoing.end();
  } catch (thrown) {
    if (!context.gone) {
      context.error = translateError(thrown);
      const { code, internal } = context.error;
      logger.warn('export-cut', { requestId: context.requestId, code, reason: internal ?? null });
      outgoing.destroy();
    }
  }
  return { kind: 'sent' };
}
