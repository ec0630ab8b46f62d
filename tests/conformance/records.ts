/** Records for the storage suite, each in a project that no other test knows. */
import { newId } from '#core/ids';
import type { ContentRecord } from '#contract/content';
import type { AgentRecord } from '#contract/agents';
import type { ConversationRecord, TurnRecord } from '#contract/conversations';
import type { UsageRecord } from '#contract/ledger';
import type { MemoryRecord } from '#contract/memory';
import type { RunRecord } from '#contract/runs';
import type { AuditRecord, ClaimRecord, KeyRecord } from '#contract/stores';
import type { Page } from '#contract/page';
import { DEFAULT_ORGANISATION_ID } from '#contract/stores';
import type { Storage } from '#storage/index';

export const START_MS = Date.UTC(2026, 0, 1);

export async function newProject({ db }: Pick<Storage, 'db'>): Promise<string> {
  const id = newId('prj', START_MS);
  await db
    .insertInto('projects')
    .values({ id, organisation_id: DEFAULT_ORGANISATION_ID, name: 'test', created_ms: START_MS })
    .execute();
  return id;
}

export function keyOf(projectId: string, fields: Partial<KeyRecord> = {}): KeyRecord {
  const createdWallMs = fields.createdWallMs ?? START_MS;
  return {
    id: newId('key', createdWallMs),
    projectId,
    name: 'test',
    scopes: ['chat'],
    secretHash: Uint8Array.from({ length: 32 }, (_, index) => index * 8),
    createdWallMs,
    revokedWallMs: null,
    ...fields,
  };
}

/** As a writer hands them to the store. */
export function packed(...runs: readonly RunRecord[]): Uint8Array {
  return Buffer.from(JSON.stringify(runs));
}

export function runOf(projectId: string, fields: Partial<RunRecord> = {}): RunRecord {
  const startedWallMs = fields.startedWallMs ?? START_MS;
  return {
    id: newId('run', startedWallMs),
    projectId,
    keyId: null,
    surface: 'openai',
    stream: false,
    requestedModel: 'test',
    route: null,
    status: 'succeeded',
    errorCode: null,
    provider: 'test',
    model: 'test',
    finishReason: 'stop',
    promptTokens: 3,
    completionTokens: 5,
    startedWallMs,
    durationMs: 12.5,
    overheadMs: 0.5,
    attempts: [],
    ...fields,
  };
}

export function usageOf(projectId: string, fields: Partial<UsageRecord> = {}): UsageRecord {
  const startedWallMs = fields.startedWallMs ?? START_MS;
  const runId = fields.runId ?? newId('run', startedWallMs);
  return {
    id: `${runId}.1`,
    runId,
    projectId,
    keyId: null,
    route: null,
    requestedModel: 'test',
    deployment: 'test/test',
    provider: 'test',
    model: 'test',
    kind: 'first',
    startedWallMs,
    state: 'settled',
    outcome: 'succeeded',
    promptTokens: 3,
    completionTokens: 5,
    cachedTokens: null,
    estimatedPromptTokens: 4,
    costMicroUsd: null,
    priceSource: null,
    ...fields,
  };
}

export function claimOf(projectId: string, id: string, fields: Partial<ClaimRecord> = {}): ClaimRecord {
  return { id, projectId, owner: newId('clm', START_MS), fingerprint: 'f', ...fields };
}

export function contentOf(projectId: string, fields: Partial<ContentRecord> = {}): ContentRecord {
  const startedWallMs = fields.startedWallMs ?? START_MS;
  return {
    id: newId('run', startedWallMs),
    projectId,
    policy: 'full',
    startedWallMs,
    partial: false,
    truncated: false,
    messages: '[{"role":"user","content":"Are you well?"}]',
    answer: '[{"index":0,"message":{"role":"assistant","content":"I am."},"finish_reason":"stop"}]',
    ...fields,
  };
}

export function auditOf(projectId: string, fields: Partial<AuditRecord> = {}): AuditRecord {
  const atWallMs = fields.atWallMs ?? START_MS;
  return {
    id: newId('aud', atWallMs),
    projectId,
    atWallMs,
    actor: 'cli',
    action: 'key-created',
    subject: 'key_of_the_test',
    detail: {},
    ...fields,
  };
}

export function agentOf(projectId: string, fields: Partial<AgentRecord> = {}): AgentRecord {
  const createdWallMs = fields.createdWallMs ?? START_MS;
  const id = newId('agt', createdWallMs);
  return {
    id,
    projectId,
    version: 1,
    name: id.replace('_', '-'),
    description: '',
    instructions: 'Answer.',
    model: 'test',
    sampling: {},
    tools: [],
    memory: { scope: 'none', recall: 0 },
    history: { policy: 'trim', tokensMax: 8_000 },
    limits: { steps: 8, deadlineMs: 60_000, costMicroUsd: null },
    createdWallMs,
    updatedWallMs: createdWallMs,
    ...fields,
  };
}

export function conversationOf(projectId: string, fields: Partial<ConversationRecord> = {}): ConversationRecord {
  const createdWallMs = fields.createdWallMs ?? START_MS;
  return {
    id: newId('cnv', createdWallMs),
    projectId,
    agentId: null,
    title: null,
    turns: 0,
    summary: null,
    summaryUpTo: 0,
    createdWallMs,
    updatedWallMs: createdWallMs,
    ...fields,
  };
}

export function turnOf(
  conversation: Pick<ConversationRecord, 'id' | 'projectId'>,
  fields: Partial<TurnRecord> = {},
): TurnRecord {
  const startedWallMs = fields.startedWallMs ?? START_MS;
  return {
    id: newId('trn', startedWallMs),
    conversationId: conversation.id,
    projectId: conversation.projectId,
    number: 1,
    state: 'whole',
    input: [{ role: 'user', content: 'a question' }],
    output: [{ role: 'assistant', content: 'an answer' }],
    end: 'stop',
    errorCode: null,
    tools: [],
    runIds: [],
    startedWallMs,
    endedWallMs: startedWallMs + 1,
    ...fields,
  };
}

export function memoryOf(projectId: string, fields: Partial<MemoryRecord> = {}): MemoryRecord {
  const createdWallMs = fields.createdWallMs ?? START_MS;
  return { id: newId('mem', createdWallMs), projectId, scope: 'project', text: 'a fact', createdWallMs, ...fields };
}

/** The ids of every page, until one is not full. */
export async function pages(
  list: (page: Page) => Promise<readonly { readonly id: string }[]>,
  limit: number,
): Promise<string[][]> {
  const all: string[][] = [];
  for (let before: string | undefined; ;) {
    const ids = (await list({ before, limit })).map((row) => row.id);
    all.push(ids);
    before = ids.at(-1);
    if (ids.length < limit || all.length > 100) return all;
  }
}
