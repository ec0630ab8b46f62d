/** Agents over what the hub has: its stores, its gateway, its external APIs. And the gateway that has them among its models. */
import { AgentGateway } from '#agents/gateway';
import { RunningAgents } from '#agents/agents';
import type { AgentParts } from '#agents/agents';
import type { Gateway } from '#contract/gateway';
import type { Stores } from '#contract/stores';

type Given = Omit<AgentParts, 'agents' | 'conversations'> & {
  readonly stores: Pick<Stores, 'agents' | 'conversations'>;
};

export function openAgents(
  stack: AsyncDisposableStack,
  { stores, ...parts }: Given,
): { readonly agents: RunningAgents; readonly gateway: Gateway } {
  const agents = new RunningAgents({ ...parts, agents: stores.agents, conversations: stores.conversations });
  stack.defer(() => agents.close());
  return { agents, gateway: new AgentGateway({ ...parts, agents, store: stores.agents }) };
}
