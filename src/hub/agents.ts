/** Agents over what the hub has: its stores, its gateway, its external APIs. And the gateway that has them among its models. */
import { AgentGateway } from '#agents/gateway';
import { RunningAgents } from '#agents/agents';
import type { AgentParts } from '#agents/agents';
import { withListsKept } from '#agents/lists-kept';
import type { AgentStore } from '#contract/agents';
import type { Gateway } from '#contract/gateway';
import type { ListCache } from '#contract/lookup-cache';
import type { Stores } from '#contract/stores';

type Given = Omit<AgentParts, 'agents' | 'conversations'> & {
  readonly stores: Pick<Stores, 'agents' | 'conversations'>;
  readonly answers: ListCache;
};

export function openAgents(
  stack: AsyncDisposableStack,
  { stores, answers, ...parts }: Given,
): { readonly agents: RunningAgents; readonly gateway: Gateway; readonly agentStore: AgentStore } {
  const agentStore = withListsKept(stores.agents, answers);
  const agents = new RunningAgents({ ...parts, agents: agentStore, conversations: stores.conversations });
  stack.defer(() => agents.close());
  return { agents, gateway: new AgentGateway({ ...parts, agents, store: agentStore }), agentStore };
}
