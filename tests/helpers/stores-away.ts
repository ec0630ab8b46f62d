/** Stores whose database does not answer, and no agents: what a transport meets of them in a test that says nothing else. */
import { CallerError, UnavailableError } from '#core/errors';
import type { Agents, AgentStore } from '#contract/agents';
import type { CacheControl } from '#contract/cache-control';
import type { ConversationStore } from '#contract/conversations';
import type { Memory } from '#contract/memory';
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
const noConversations: ConversationStore = {
  insert: away,
  find: away,
  list: away,
  search: away,
  rename: away,
  delete: away,
  purge: away,
  beginTurn: away,
  extendTurns: away,
  endTurn: away,
  turns: away,
  saveSummary: away,
  importMany: away,
};

/** The port of agents where there are none. */
const nobody: Agents = {
  async *turn() {
    yield await Promise.reject(new CallerError('not_found', 'There is no agent of this id.'));
  },
};

const noFacts = (): Promise<never> => Promise.reject(new UnavailableError('memory_unavailable', 'No memory here.'));
const noMemory: Memory = {
  remember: noFacts,
  recall: noFacts,
  find: noFacts,
  list: noFacts,
  forget: noFacts,
};

const nothingCached: CacheControl = {
  invalidate: () => Promise.resolve(),
  report: () => ({
    hits: 0,
    misses: 0,
    shared: 0,
    staleServed: 0,
    evictions: 0,
    entries: 0,
    bytes: 0,
    bytesMax: 1,
    tiers: [],
  }),
};

/** For the ports of a server. */
export const nothingKept = {
  agents: nobody,
  agentStore: noAgents,
  conversations: noConversations,
  memory: noMemory,
  cache: nothingCached,
} as const;
