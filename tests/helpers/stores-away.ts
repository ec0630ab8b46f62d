/** Stores whose database does not answer: what a transport meets of them in a test that says nothing else. */
import { UnavailableError } from '#core/errors';
import type { AgentStore } from '#contract/agents';
import type { ConversationStore } from '#contract/conversations';
import type { ClaimStore } from '#contract/stores';

const away = (): Promise<never> => Promise.reject(new UnavailableError('database_unavailable', 'No database here.'));
/** A hub whose database is away keeps idempotency keys in its own memory. */
export const noClaims: ClaimStore = { take: away, extend: away, finish: away, release: away, purge: away };

export const noAgents: AgentStore = {
  insert: away,
  find: away,
  findByName: away,
  list: away,
  update: away,
  delete: away,
};
export const noConversations: ConversationStore = {
  insert: away,
  find: away,
  list: away,
  search: away,
  rename: away,
  delete: away,
  beginTurn: away,
  extendTurns: away,
  endTurn: away,
  turns: away,
  saveSummary: away,
  importMany: away,
};
