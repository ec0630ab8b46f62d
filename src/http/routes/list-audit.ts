/** `GET /api/audit`: who changed what, and why. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { AuditRecord } from '#contract/stores';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { isoTime, listSchema, listView, pageOf, pageQuery, timestamp } from '../wire/common.ts';

const auditSchema = Type.Object({
  id: Type.String(),
  at: timestamp,
  actor: Type.String({ description: 'A key’s id, `local` without keys, `cli`, or `config`.' }),
  action: Type.String({ description: '`key-created`, `key-revoked`, `breaker-forced-open`, …' }),
  subject: Type.String({ description: 'What it was done to.' }),
  detail: Type.Record(Type.String(), Type.Unknown()),
});

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
  description: 'Keys made and revoked, breakers forced and reset; the newest first.',
  query: pageQuery,
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
  async handle({ query, context }, { audit }) {
    const page = pageOf(query);
    return json(listView((await audit.list(callerOf(context).projectId, page)).map(auditView), page.limit));
  },
});
