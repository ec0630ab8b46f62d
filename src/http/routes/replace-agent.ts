/** `PUT /api/agents/{id}`: all its settings anew. Whole, not merged: what a merge does to an array of tools nobody could guess. */
import { CallerError } from '#core/errors';
import { isId } from '#core/ids';
import { auditAgent } from '../agent-audit.ts';
import { checkAgent } from '../agent-tools.ts';
import { ifMatchHeader, matched, versionChanged, versioned } from '../etag.ts';
import { callerOf, defineOperation, notFound } from '../operation.ts';
import {
  agentBody,
  agentBodyExample,
  agentExample,
  agentParams,
  agentSchema,
  agentView,
  NO_SUCH_AGENT,
  settingsOf,
} from '../wire/agent.ts';
import { noQuery } from '../wire/common.ts';

export const replaceAgent = defineOperation({
  id: 'replaceAgent',
  method: 'PUT',
  path: '/api/agents/{id}',
  access: ['admin'],
  tag: 'Agents',
  summary: 'Replace an agent',
  description:
    'All settings anew; what the body leaves out has its default again. `If-Match` with the ETag that was read: 412 where somebody ' +
    'changed it since. Turns that run go on with what they began with.',
  params: agentParams,
  query: noQuery,
  headers: ifMatchHeader,
  body: agentBody,
  bodyExample: agentBodyExample,
  responses: { 200: { description: 'The agent.', schema: agentSchema, example: { ...agentExample, version: 2 } } },
  async handle({ params: { id }, body, context }, services) {
    const { agentStore, clock, external } = services;
    const { projectId } = callerOf(context);
    const before = isId('agt', id) ? await agentStore.find(projectId, id) : null;
    if (before === null) throw notFound(NO_SUCH_AGENT);
    const conditional = matched(context, before.version);
    const settings = settingsOf(body);
    checkAgent(settings, external);
    const { createdWallMs, version } = before;
    const agent = { ...settings, id, projectId, createdWallMs, version: version + 1, updatedWallMs: clock.wallMs() };
    switch (await agentStore.update(agent)) {
      case 'missing':
        throw notFound(NO_SUCH_AGENT);
      case 'changed':
        throw conditional
          ? versionChanged()
          : new CallerError('conflict', 'Somebody else changed the agent at this moment. Read it again.');
      case 'name_taken':
        throw new CallerError('conflict', `There is an agent "${agent.name}" already.`, { param: 'name' });
      case 'updated':
    }
    await auditAgent(context, services, 'agent-changed', agent);
    return versioned(context, agentView(agent));
  },
});
