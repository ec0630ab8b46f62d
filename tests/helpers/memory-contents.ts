/** The hub's own rules over what was said, kept in memory: what the http room is given where no database is needed. */
import type { ContentRecord, Contents } from '#contract/content';
import type { RunReader } from '#contract/gateway';
import type { AuditRecord } from '#contract/stores';
import { systemClock } from '#core/clock';
import { createContents } from '#gateway/contents';

export function memoryContents(
  runs: Pick<RunReader, 'get'>,
  said: readonly ContentRecord[],
  audit: AuditRecord[],
): Contents {
  const rows = new Map<string, ContentRecord | 'erased'>(said.map((content) => [content.id, content]));
  return createContents({
    runs,
    pending: { get: () => undefined },
    store: {
      find: async (_projectId, id) => rows.get(id) ?? null,
      erase: async ({ id }) => void rows.set(id, 'erased'),
    },
    audit: { append: async (record) => void audit.push(record) },
    clock: systemClock,
  });
}
