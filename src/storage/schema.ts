/** The tables as Kysely sees them. `migrations/` makes them; a column is added there first, then here. */
import type { ColumnType, Generated } from 'kysely';
import type { AgentSettings, ToolUse, TurnEnd } from '#contract/agents';
import type { ChatMessage } from '#contract/chat';
import type { LimitSettings } from '#contract/admission';
import type { TurnState } from '#contract/conversations';
import type { ContentPolicy, RunRecord } from '#contract/runs';

export interface OrganisationsTable {
  id: string;
  name: string;
  created_ms: number;
}

export interface ProjectsTable {
  id: string;
  organisation_id: string;
  name: string;
  created_ms: number;
  limits: ColumnType<LimitSettings, string | undefined, string>;
}

export interface KeysTable {
  id: string;
  project_id: string;
  name: string;
  scopes: string[];
  secret_hash: Uint8Array;
  created_ms: number;
  revoked_ms: number | null;
  limits: ColumnType<LimitSettings, string | undefined, string>;
}

export interface RunsTable {
  id: string;
  project_id: string;
  key_id: string | null;
  started_ms: number;
  /** Holds what `upsertMany` put there; nothing else writes it. */
  record: ColumnType<RunRecord, string, string>;
}

export interface UsageTable {
  id: string;
  run_id: string;
  project_id: string;
  key_id: string | null;
  route: string | null;
  requested_model: string;
  deployment: string;
  provider: string;
  model: string;
  kind: string;
  started_ms: number;
  state: string;
  outcome: string;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  cached_tokens: number | null;
  estimated_prompt_tokens: number;
  cost_micro_usd: number | null;
  price_source: string | null;
  /** Its sums are in `usage_months`. */
  rolled: Generated<boolean>;
}

export interface AuditTable {
  id: string;
  project_id: string;
  at_ms: number;
  actor: string;
  action: string;
  subject: string;
  detail: ColumnType<Record<string, unknown>, string, string>;
}

export interface ClaimsTable {
  id: string;
  project_id: string;
  owner: string;
  fingerprint: string;
  done: boolean;
  until_ms: number;
}

export interface ContentsTable {
  id: string;
  project_id: string;
  policy: ContentPolicy;
  started_ms: number;
  partial: boolean;
  truncated: boolean;
  messages: string | null;
  answer: string | null;
}

export interface AgentsTable {
  project_id: string;
  id: string;
  name: string;
  model: string;
  version: number;
  /** All of them, name and model too. */
  settings: ColumnType<AgentSettings, string, string>;
  created_ms: number;
  updated_ms: number;
}

export interface ConversationsTable {
  project_id: string;
  id: string;
  /** Stays when the agent is deleted; readers look whether it is there. */
  agent_id: string | null;
  title: string | null;
  turns: number;
  summary: string | null;
  summary_up_to: number;
  /** The turn under way, and until when its instance is taken to live. */
  running_turn: string | null;
  lease_ms: number | null;
  created_ms: number;
  updated_ms: number;
}

export interface TurnsTable {
  project_id: string;
  conversation_id: string;
  number: number;
  id: string;
  state: TurnState;
  input: ColumnType<ChatMessage[], string, string>;
  output: ColumnType<ChatMessage[], string, string>;
  end_reason: TurnEnd | null;
  error_code: string | null;
  tools: ColumnType<ToolUse[], string, string>;
  run_ids: string[];
  started_ms: number;
  ended_ms: number | null;
  /** What a search looks in; never read. */
  words: ColumnType<never>;
}

export interface MemoriesTable {
  project_id: string;
  id: string;
  scope: string;
  text: string;
  /** Made by `wordsOf`; read by the database alone. */
  words: unknown;
  /** Null, and so the next three, until there is an embedding. */
  embedding_model: string | null;
  dimensions: number | null;
  signs: string | null;
  embedding: Uint8Array | null;
  /** Who looks for rows to embed leaves it alone until then. */
  embed_after_ms: number;
  created_ms: number;
}

export interface LimitSpendTable {
  /** Scope, whose and period of a budget. */
  name: string;
  /** Days since 1970, UTC. */
  start_day: number;
  micro_usd: number;
}

export interface LimitSpendBatchesTable {
  /** A process. */
  writer: string;
  /** Of its last batch. */
  number: number;
  /** Days since 1970, UTC, by the database's clock. */
  written_day: number;
}

export interface InstancesTable {
  /** Of one process, whatever its name. */
  incarnation: string;
  /** By the database's clock. */
  until_ms: number;
}

export interface MigrationsTable {
  name: string;
  digest: string;
  applied_ms: Generated<number>;
}

export interface Schema {
  organisations: OrganisationsTable;
  projects: ProjectsTable;
  keys: KeysTable;
  runs: RunsTable;
  usage: UsageTable;
  audit: AuditTable;
  claims: ClaimsTable;
  contents: ContentsTable;
  agents: AgentsTable;
  conversations: ConversationsTable;
  turns: TurnsTable;
  memories: MemoriesTable;
  limit_spend: LimitSpendTable;
  limit_spend_batches: LimitSpendBatchesTable;
  instances: InstancesTable;
  revoagent_migrations: MigrationsTable;
}
