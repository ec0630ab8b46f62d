/**
 * Reading and erasing what was said in a run. Who may see the run may do both: the key that started it, and an admin key of its project.
 * To everybody else there is no such run.
 */
import type { Clock } from '#core/clock';
import { newId } from '#core/ids';
import type { ContentRecord, Contents } from '#contract/content';
import type { RunReader } from '#contract/gateway';
import type { AuditStore, ContentStore } from '#contract/stores';

export interface ContentsParts {
  readonly runs: Pick<RunReader, 'get'>;
  /** What waits to be stored. */
  readonly pending: { get(id: string): ContentRecord | undefined };
  readonly store: Pick<ContentStore, 'find' | 'erase'>;
  readonly audit: Pick<AuditStore, 'append'>;
  readonly clock: Clock;
}

export function createContents({ runs, pending, store, audit, clock }: ContentsParts): Contents {
  return {
    async get(caller, runId) {
      const run = await runs.get(caller, runId);
      if (run === null) return { absent: 'no-run' };
      if (run.content === undefined) return { absent: 'off' };
      if (run.status === 'running') return { absent: 'running' };
      // What waits is read first: what is written meanwhile is then in both. The database has the last word: it knows of erasures.
      const waits = pending.get(runId);
      const stored = await store.find(caller.projectId, runId);
      if (stored === 'erased') return { absent: 'none' };
      return stored ?? waits ?? { absent: 'none' };
    },
    async erase(caller, actor, runId) {
      const run = await runs.get(caller, runId);
      if (run === null) return { absent: 'no-run' };
      const { id, projectId, startedWallMs, content: policy } = run;
      if (policy === undefined) return { absent: 'off' };
      // Done first: what is to go does not stay because the audit cannot be written.
      await store.erase({ id, projectId, policy, startedWallMs });
      const atWallMs = clock.wallMs();
      await audit.append({
        id: newId('aud', atWallMs),
        projectId,
        atWallMs,
        actor,
        action: 'content-erased',
        subject: id,
        detail: {},
      });
      return { erased: true };
    },
  };
}
