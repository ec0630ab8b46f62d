/** `GET /api/audit`: who changed what, and why. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { AuditRecord } from '#contract/stores';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { isoTime, listSchema, listView, pageOf, pageQuery, strict, timestamp } from '../wire/common.ts';

/** Longer than any key of a breaker or of the cache. */
const SUBJECT_CHARS_MAX = 512;

const auditSchema = Type.Object({
  id: Type.String(),
  at: timestamp,
  actor: Type.String({ description: 'A key’s id, `local` without keys, `cli`, or `config`.' }),
  action: Type.String({ description: '`key-created`, `key-revoked`, `breaker-forced-open`, …' }),
  subject: Type.String({ description: 'What it was done to.' }),
  detail: Type.Record(Type.String(), Type.Unknown()),
});

const exactly = (what: string, example: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: SUBJECT_CHARS_MAX,
      description: `Only entries with this ${what}.`,
      examples: [example],
    }),
  );

const query = Type.Object(
  {
    ...pageQuery.properties,
    actor: exactly('actor', 'local'),
    action: exactly('action', 'breaker-forced-open'),
    subject: exactly('subject', 'provider:openai/gpt-4o'),
  },
  strict,
);

function auditView({ id, atWallMs, actor, action, subject, detail }: AuditRecord): Static<typeof auditSchema> {
  return { id, at: isoTime(atWallMs), actor, action, subject, detail };
}

export const listAudit = defineOperation({
  id: 'listAudit',
  method: 'GET',
  path: '/api/audit',
  access: ['admin'],
  tag: 'Operations',
  summary: 'Read the audit',
  description:
    'Every act of an administrator, whatever it is done to: keys, breakers, the cache, agents, what was said in runs, the configuration. The newest first.',
  query,
  responses: {
    200: {
      description: 'A page of the audit.',
      schema: listSchema(auditSchema),
      example: {
        data: [
          {
            id: 'aud_01k3v9zq6x8m2f4t7w1c5r9hjd',
            at: '2026-01-01T12:00:00.000Z',
            actor: 'local',
            action: 'breaker-forced-open',
            subject: 'provider:openai/gpt-4o',
            detail: { reason: 'provider incident 4711', forMs: null },
          },
        ],
        nextBefore: null,
      },
    },
  },
  async handle({ query: { actor, action, subject, ...rest }, context }, { audit }) {
    const page = pageOf(rest);
    const rows = await audit.list(callerOf(context).projectId, page, { actor, action, subject });
    return json(listView(rows.map(auditView), page.limit));
  },
});
