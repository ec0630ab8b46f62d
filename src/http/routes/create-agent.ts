/** `POST /api/agents`: one more agent of the project. */
import { CallerError } from '#core/errors';
import { newId } from '#core/ids';
import { auditAgent } from '../agent-audit.ts';
import { checkAgent } from '../agent-tools.ts';
import { versioned } from '../etag.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { agentBody, agentBodyExample, agentExample, agentSchema, agentView, settingsOf } from '../wire/agent.ts';

export const createAgent = defineOperation({
  id: 'createAgent',
  method: 'POST',
  path: '/api/agents',
  access: ['admin'],
  tag: 'Agents',
  summary: 'Create an agent',
  description:
    'Its tools are checked: an external API that is not configured, or a path whose arguments its schema does not have, is refused. ' +
    'A name that is taken: 409.',
  idempotent: true,
  body: agentBody,
  bodyExample: agentBodyExample,
  responses: { 201: { description: 'The agent.', schema: agentSchema, example: agentExample } },
  async handle({ body, context }, services) {
    const { agentStore, clock, external } = services;
    const settings = settingsOf(body);
    checkAgent(settings, external);
    const wallMs = clock.wallMs();
    const { projectId } = callerOf(context);
    const agent = {
      ...settings,
      id: newId('agt', wallMs),
      projectId,
      version: 1,
      createdWallMs: wallMs,
      updatedWallMs: wallMs,
    };
    if (!(await agentStore.insert(agent)))
      throw new CallerError('conflict', `There is an agent "${agent.name}" already.`, { param: 'name' });
    await auditAgent(context, services, 'agent-created', agent);
    return versioned(context, agentView(agent), 201);
  },
});
