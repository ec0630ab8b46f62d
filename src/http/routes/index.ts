/** Every HTTP operation of the hub, in the order in which the documentation shows them. */
import type { Operation } from '../operation.ts';
import { callExternal } from './call-external.ts';
import { chat } from './chat.ts';
import { chatWithAgent } from './chat-with-agent.ts';
import { closeBreaker } from './close-breaker.ts';
import { countMessageTokens } from './count-message-tokens.ts';
import { createAgent } from './create-agent.ts';
import { createChatCompletion } from './create-chat-completion.ts';
import { createConversation } from './create-conversation.ts';
import { createEmbedding } from './create-embedding.ts';
import { createMessage } from './create-message.ts';
import { createKey } from './create-key.ts';
import { createResponse } from './create-response.ts';
import { eraseRunContent } from './erase-run-content.ts';
import { deleteAgent } from './delete-agent.ts';
import { deleteConversation } from './delete-conversation.ts';
import { exportConversations } from './export-conversations.ts';
import { forceOpenBreaker } from './force-open-breaker.ts';
import { getAgent } from './get-agent.ts';
import { getAsset } from './get-asset.ts';
import { getAsyncapi } from './get-asyncapi.ts';
import { getBreaker } from './get-breaker.ts';
import { getCache } from './get-cache.ts';
import { invalidateCache } from './invalidate-cache.ts';
import { getConversation } from './get-conversation.ts';
import { getDocs } from './get-docs.ts';
import { getHealth } from './get-health.ts';
import { getHealthHistory } from './get-health-history.ts';
import { getLimits } from './get-limits.ts';
import { getLiveness } from './get-liveness.ts';
import { getMetrics } from './get-metrics.ts';
import { getModel } from './get-model.ts';
import { getOpenapi } from './get-openapi.ts';
import { getPerformance } from './get-performance.ts';
import { getReadiness } from './get-readiness.ts';
import { getRun } from './get-run.ts';
import { getRunContent } from './get-run-content.ts';
import { getStatusPage } from './get-status-page.ts';
import { getUsage } from './get-usage.ts';
import { listAgents } from './list-agents.ts';
import { createMemory } from './create-memory.ts';
import { deleteMemory } from './delete-memory.ts';
import { getMemory } from './get-memory.ts';
import { listMemories } from './list-memories.ts';
import { searchMemories } from './search-memories.ts';
import { importConversations } from './import-conversations.ts';
import { listAudit } from './list-audit.ts';
import { listBreakers } from './list-breakers.ts';
import { listConversations } from './list-conversations.ts';
import { listExternal } from './list-external.ts';
import { listInstances } from './list-instances.ts';
import { listKeys } from './list-keys.ts';
import { listModels } from './list-models.ts';
import { listModelsOpenai } from './list-models-openai.ts';
import { listRuns } from './list-runs.ts';
import { listTurns } from './list-turns.ts';
import { renameConversation } from './rename-conversation.ts';
import { replaceAgent } from './replace-agent.ts';
import { resetBreaker } from './reset-breaker.ts';
import { revokeKey } from './revoke-key.ts';
import { setKeyLimits, setProjectLimits } from './set-limits.ts';

export const operations: readonly Operation[] = [
  createChatCompletion,
  createResponse,
  createEmbedding,
  listModelsOpenai,
  getModel,
  chat,
  listModels,
  createAgent,
  listAgents,
  chatWithAgent,
  getAgent,
  replaceAgent,
  deleteAgent,
  createConversation,
  listConversations,
  exportConversations,
  importConversations,
  listTurns,
  getConversation,
  renameConversation,
  deleteConversation,
  createMemory,
  listMemories,
  searchMemories,
  getMemory,
  deleteMemory,
  listExternal,
  ...callExternal,
  listRuns,
  getRun,
  getRunContent,
  eraseRunContent,
  getUsage,
  listBreakers,
  getBreaker,
  forceOpenBreaker,
  closeBreaker,
  resetBreaker,
  getCache,
  invalidateCache,
  createKey,
  createMessage,
  countMessageTokens,
  listKeys,
  revokeKey,
  getLimits,
  setProjectLimits,
  setKeyLimits,
  getHealth,
  getHealthHistory,
  getReadiness,
  getLiveness,
  getPerformance,
  listInstances,
  listAudit,
  getMetrics,
  getOpenapi,
  getAsyncapi,
  getStatusPage,
  getDocs,
  getAsset,
];
