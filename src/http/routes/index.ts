/** Every HTTP operation of the hub, in the order in which the documentation shows them. */
import type { Operation } from '../operation.ts';
import { callExternal } from './call-external.ts';
import { chat } from './chat.ts';
import { closeBreaker } from './close-breaker.ts';
import { createChatCompletion } from './create-chat-completion.ts';
import { createEmbedding } from './create-embedding.ts';
import { createKey } from './create-key.ts';
import { forceOpenBreaker } from './force-open-breaker.ts';
import { getAsset } from './get-asset.ts';
import { getAsyncapi } from './get-asyncapi.ts';
import { getBreaker } from './get-breaker.ts';
import { getDocs } from './get-docs.ts';
import { getHealth } from './get-health.ts';
import { getLiveness } from './get-liveness.ts';
import { getMetrics } from './get-metrics.ts';
import { getModel } from './get-model.ts';
import { getOpenapi } from './get-openapi.ts';
import { getPerformance } from './get-performance.ts';
import { getReadiness } from './get-readiness.ts';
import { getRun } from './get-run.ts';
import { getStatusPage } from './get-status-page.ts';
import { getUsage } from './get-usage.ts';
import { listAudit } from './list-audit.ts';
import { listBreakers } from './list-breakers.ts';
import { listExternal } from './list-external.ts';
import { listKeys } from './list-keys.ts';
import { listModels } from './list-models.ts';
import { listModelsOpenai } from './list-models-openai.ts';
import { listRuns } from './list-runs.ts';
import { resetBreaker } from './reset-breaker.ts';
import { revokeKey } from './revoke-key.ts';

export const operations: readonly Operation[] = [
  createChatCompletion,
  createEmbedding,
  listModelsOpenai,
  getModel,
  chat,
  listModels,
  listExternal,
  ...callExternal,
  listRuns,
  getRun,
  getUsage,
  listBreakers,
  getBreaker,
  forceOpenBreaker,
  closeBreaker,
  resetBreaker,
  createKey,
  listKeys,
  revokeKey,
  getHealth,
  getReadiness,
  getLiveness,
  getPerformance,
  listAudit,
  getMetrics,
  getOpenapi,
  getAsyncapi,
  getStatusPage,
  getDocs,
  getAsset,
];
