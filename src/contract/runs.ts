/** What the hub remembers of a run: never a prompt, never an answer, only what happened to it. */
import type { BatchWriter } from './batch-writer.ts';
import type { BreakerStateName } from './breakers.ts';
import type { Page } from './page.ts';

export type RunStatus = 'running' | 'succeeded' | 'failed' | 'cancelled' | 'degraded' | 'interrupted';

export type AttemptOutcome =
  | 'running'
  | 'succeeded'
  | 'cancelled'
  /** Another attempt of the run answered first. */
  | 'superseded'
  | 'breaker_open'
  | 'bulkhead_full'
  | 'unreachable'
  | 'reset'
  | 'status'
  | 'reported'
  | 'malformed'
  | 'cut'
  | 'oversize'
  | 'untranslatable'
  | 'timeout_connect'
  | 'timeout_first_token'
  | 'timeout_idle'
  | 'timeout_total';

/** What may be done after a failed attempt. */
export type Verdict = 'retry_same' | 'try_other' | 'give_up';

/** Why a run made no further attempt, where another might have helped. */
export type StopReason =
  /** The bound on attempts of one run. */
  | 'attempts_spent'
  /** The bound on retries of one run. */
  | 'retries_spent'
  /** The budget of retries that all runs share. */
  | 'retry_budget'
  /** The upstream asks for a longer pause than a caller is let wait for. */
  | 'pause_too_long'
  | 'deadline'
  /** The caller wanted no other deployment. */
  | 'no_fallback'
  | 'nobody_left';

/** Why there was an attempt at all. */
export type AttemptKind =
  | 'first'
  /** Another deployment, after a failure. */
  | 'fallback'
  /** The same deployment again, after a pause. */
  | 'retry'
  /** Beside one that was slow. */
  | 'hedge'
  /** Going on with a stream that was cut. */
  | 'continuation';

export interface AttemptRecord {
  /** From 1. */
  number: number;
  kind: AttemptKind;
  deployment: string;
  provider: string;
  model: string;
  /** Why this deployment was chosen, in words for a person. */
  reason: string;
  /** The breaker's state when the attempt asked for its permit. */
  breakerState: BreakerStateName;
  /** Its state once the breaker had heard how the attempt ended; left out while it runs. */
  breakerStateAfter?: BreakerStateName;
  outcome: AttemptOutcome;
  verdict: Verdict | null;
  upstreamStatus: number | null;
  /** Milliseconds since the run began. */
  startedMs: number;
  /** Milliseconds since the attempt began; null where it did not come so far. */
  connectMs: number | null;
  firstTokenMs: number | null;
  totalMs: number | null;
  /** As the upstream stated them; null where it did not. `cachedTokens` are part of `promptTokens`. */
  promptTokens: number | null;
  completionTokens: number | null;
  cachedTokens: number | null;
  /** Whole millionths of a US dollar; null where the tokens or the price are unknown. */
  costMicroUsd: number | null;
}

/** How what is said is kept; `redacted`: without what `redact` of the core finds. A run of which nothing is kept has no policy. */
export type ContentPolicy = 'redacted' | 'full';

/** What a guardrail did to a run. */
export interface GuardrailRecord {
  stage: 'before' | 'after';
  action: 'allowed' | 'changed' | 'refused' | 'failed_open' | 'failed_closed';
  tookMs: number;
}

export interface RunRecord {
  id: string;
  projectId: string;
  /** Null in keyless mode. */
  keyId: string | null;
  surface: string;
  stream: boolean;
  /** The model name the caller asked for, and the route it met. */
  requestedModel: string;
  route: string | null;
  status: RunStatus;
  /** The hub's error code, where it failed. */
  errorCode: string | null;
  provider: string | null;
  model: string | null;
  finishReason: string | null;
  promptTokens: number | null;
  completionTokens: number | null;
  /** Whole milliseconds since the epoch. */
  startedWallMs: number;
  durationMs: number | null;
  overheadMs: number | null;
  attempts: AttemptRecord[];
  /** Left out where no further attempt was looked for. */
  stop?: StopReason;
  /** Where the answer is not of this run's own attempts: how it came about, and the run that asked for it. */
  answered?: { by: 'hit' | 'shared' | 'stale'; runId: string };
  /** Left out for a route without a guardrail. */
  guardrail?: GuardrailRecord[];
  /** Left out where nothing that is said is kept. */
  content?: ContentPolicy;
}

/** Runs that have ended and are not stored yet. */
export interface WaitingRuns {
  get(id: string): RunRecord | undefined;
  /** Newest first; of the project, and unless it is undefined of this key, as a store lists them. */
  list(projectId: string, keyId: string | null | undefined, page: Page): readonly RunRecord[];
}

/** Writes them behind the requests. */
export interface RunWriter extends WaitingRuns, Pick<BatchWriter<RunRecord>, 'append' | 'backlog' | 'flush'> {}
