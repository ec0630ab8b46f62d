/** An act of a person in an incident, done first and written down then: it must not wait for a database that is part of the incident. */
import { messageOf } from '#core/errors';
import { newId } from '#core/ids';
import { actorOf, callerOf } from './operation.ts';
import type { Services } from './operation.ts';
import type { RequestContext } from './request-context.ts';

export interface Act {
  readonly action: string;
  readonly subject: string;
  readonly detail: Record<string, unknown>;
}

/** Whether the audit has it; where it has not, the log does. */
export async function writtenDown(
  context: RequestContext,
  { audit, clock, logger }: Pick<Services, 'audit' | 'clock' | 'logger'>,
  { action, subject, detail }: Act,
): Promise<boolean> {
  const actor = actorOf(context);
  const { projectId } = callerOf(context);
  const atWallMs = clock.wallMs();
  try {
    await audit.append({ id: newId('aud', atWallMs), projectId, atWallMs, actor, action, subject, detail });
    return true;
  } catch (error) {
    logger.error('audit-failed', { action, actor, subject, reason: messageOf(error) }, error);
    return false;
  }
}
