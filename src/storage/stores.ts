/** Every store over one database. */
import type { Stores } from '#contract/stores';
import type { Ask } from './ask.ts';
import { databaseAgentStore } from './repositories/agents.ts';
import { databaseAuditStore } from './repositories/audit.ts';
import { databaseClaimStore } from './repositories/claims.ts';
import { databaseContentStore } from './repositories/contents.ts';
import { databaseConversationStore } from './repositories/conversations.ts';
import { databaseInstanceStore } from './repositories/instances.ts';
import { databaseKeyStore } from './repositories/keys.ts';
import { databaseMemoryStore } from './repositories/memories.ts';
import { databaseRunStore } from './repositories/runs.ts';
import { databaseSpendStore } from './repositories/spend.ts';
import { databaseUsageStore } from './repositories/usage.ts';

export function storesOf(ask: Ask): Stores {
  return {
    keys: databaseKeyStore(ask),
    runs: databaseRunStore(ask),
    usage: databaseUsageStore(ask),
    spend: databaseSpendStore(ask),
    instances: databaseInstanceStore(ask),
    audit: databaseAuditStore(ask),
    claims: databaseClaimStore(ask),
    contents: databaseContentStore(ask),
    agents: databaseAgentStore(ask),
    conversations: databaseConversationStore(ask),
    memories: databaseMemoryStore(ask),
  };
}
