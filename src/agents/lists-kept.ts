/**
 * The agents' store with its lists kept: the same page of a project is read from the database once for all who ask. Whatever changes an
 * agent ends the lists of its project, in every instance. Kept in this process alone: instructions are nobody's who reads a Redis.
 */
import type { AgentRecord, AgentStore } from '#contract/agents';
import { EVERY_ANSWER, inProject } from '#contract/answer-cache';
import type { ListCache } from '#contract/lookup-cache';

/** Another instance's change shows here within this time, without a bus between them. No copy stands in for a database that is away. */
const KEPT = { local: true, ttlMs: 30_000, staleOnErrorMs: 0 } as const;

export function withListsKept(store: AgentStore, cache: ListCache): AgentStore {
  const listsOf = (projectId: string): string => inProject(projectId, 'agents');
  const changing = async <T>(projectId: string, change: Promise<T>): Promise<T> => {
    try {
      return await change;
    } finally {
      // Also where it failed: what the database did of it nobody knows.
      await cache.deleteTag(listsOf(projectId));
    }
  };
  return {
    ...store,
    list: (projectId, page, filter) => {
      const asked = JSON.stringify([page.before, page.limit, filter.namePrefix, filter.model]);
      const key = inProject(projectId, `agents:${asked}`);
      const tags = [listsOf(projectId), inProject(projectId, EVERY_ANSWER)];
      return cache.getOrSet<readonly AgentRecord[]>(key, () => store.list(projectId, page, filter), { ...KEPT, tags });
    },
    insert: (agent) => changing(agent.projectId, store.insert(agent)),
    update: (agent) => changing(agent.projectId, store.update(agent)),
    delete: (projectId, id, version) => changing(projectId, store.delete(projectId, id, version)),
  };
}
