/** `GET /api/runs/{id}/content`: what was said in a run, where its route keeps that. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { CallerError } from '#core/errors';
import { isId } from '#core/ids';
import type { ContentAbsence, ContentRecord } from '#contract/content';
import { json } from '../answer.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import { isoTime, noQuery, timestamp } from '../wire/common.ts';
import { runExample } from '../wire/run.ts';

const contentSchema = Type.Object({
  runId: Type.String(),
  policy: Type.String({ description: '`redacted` or `full`: the route’s when the run began.' }),
  startedAt: timestamp,
  partial: Type.Boolean({ description: 'The answer is not whole: the run failed or was cancelled.' }),
  truncated: Type.Boolean({ description: 'There was more than is kept; the newest messages are.' }),
  messages: Type.Array(Type.Unknown(), { description: 'As the model was given them.' }),
  choices: Type.Array(Type.Unknown(), {
    description: 'As the caller was given them: `index`, `message`, `finish_reason`.',
  }),
});

function contentView(content: ContentRecord): Static<typeof contentSchema> {
  const { id, policy, startedWallMs, partial, truncated } = content;
  return {
    runId: id,
    policy,
    startedAt: isoTime(startedWallMs),
    partial,
    truncated,
    messages: listOf(content.messages),
    choices: listOf(content.answer),
  };
}

function listOf(text: string): unknown[] {
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list : [];
}

export const runParams = Type.Object({
  id: Type.String({ description: 'From `x-revoagent-run`.', examples: [runExample.id] }),
});

const WHY_ABSENT: Readonly<Record<Exclude<ContentAbsence, 'off'>, string>> = {
  'no-run': 'There is no such run that this key may see.',
  running: 'The run goes on; what is said in it is kept when it ends.',
  none: 'Nothing is there of what was said in this run: no upstream was asked, or it was erased, deleted with age or lost.',
};

export function absent(why: ContentAbsence): CallerError {
  if (why !== 'off') return notFound(WHY_ABSENT[why]);
  const detail =
    'Nothing was kept of what was said in this run: its route has content: off, or it asked for embeddings.';
  return new CallerError('content_off', detail);
}

export const getRunContent = defineOperation({
  id: 'getRunContent',
  method: 'GET',
  path: '/api/runs/{id}/content',
  access: ['chat', 'read'],
  tag: 'Runs',
  summary: 'Read what was said',
  description:
    'Messages and answer of a run whose route keeps them (`content: redacted` or `full`). Who may see the run may read it: the key that ' +
    'started it, or an `admin` key of its project. 404 `content_off` where the route keeps nothing, which is the default.',
  params: runParams,
  query: noQuery,
  responses: {
    200: {
      description: 'What was said.',
      schema: contentSchema,
      example: {
        runId: runExample.id,
        policy: 'redacted',
        startedAt: runExample.startedAt,
        partial: false,
        truncated: false,
        messages: [{ role: 'user', content: 'Write to [email].' }],
        choices: [{ index: 0, message: { role: 'assistant', content: 'Done.' }, finish_reason: 'stop' }],
      },
    },
  },
  async handle({ params: { id }, context }, { contents }) {
    const found = isId('run', id) ? await contents.get(callerOf(context), id) : ({ absent: 'no-run' } as const);
    if ('absent' in found) throw absent(found.absent);
    return json(contentView(found));
  },
});
