/** A change of an agent, written down: who, what, which version. What the agent is told stays out of it. */
import { newId } from '#core/ids';
import type { AgentRecord } from '#contract/agents';
import { actorOf } from './operation.ts';
import type { Services } from './operation.ts';
import type { RequestContext } from './request-context.ts';

/** After the change: one that is not there must not stand in the audit. A caller whose change is not written down is told 503. */
export async function auditAgent(
  context: RequestContext,
  { audit, clock }: Pick<Services, 'audit' | 'clock'>,
  action: 'agent-created' | 'agent-changed' | 'agent-deleted',
  { id, projectId, name, version }: Pick<AgentRecord, 'id' | 'projectId' | 'name' | 'version'>,
): Promise<void> {
  const atWallMs = clock.wallMs();
  await audit.append({
    id: newId('aud', atWallMs),
    projectId,
    atWallMs,
    actor: actorOf(context),
    action,
    subject: id,
    detail: { name, version },
  });
}
