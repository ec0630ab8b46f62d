/**
 * The memory as turns write it: a fact of an agent or a conversation that was deleted meanwhile is not kept. A turn may outlive both, and
 * what was deleted is deleted with all its facts.
 */
import { CallerError } from '#core/errors';
import type { AgentStore } from '#contract/agents';
import type { ConversationStore } from '#contract/conversations';
import type { Memory, MemoryScope } from '#contract/memory';

interface OwnedParts {
  readonly memory: Memory;
  readonly agents: Pick<AgentStore, 'find'>;
  readonly conversations: Pick<ConversationStore, 'find'>;
}

export function ownedMemory({ memory, agents, conversations }: OwnedParts): Memory {
  async function isThere(projectId: string, scope: MemoryScope): Promise<boolean> {
    const [kind, id] = scope.split(':');
    if (id === undefined) return true;
    return (await (kind === 'agent' ? agents : conversations).find(projectId, id)) !== null;
  }

  return {
    ...memory,
    async remember(fact) {
      const kept = await memory.remember(fact);
      // Looked at afterwards: who deletes the owner from here on finds the fact, and takes it along.
      if (await isThere(fact.projectId, fact.scope)) return kept;
      await memory.forget(fact.projectId, kept.id);
      throw new CallerError('not_found', 'What the fact belongs to was deleted meanwhile: nothing is kept for it.');
    },
  };
}
