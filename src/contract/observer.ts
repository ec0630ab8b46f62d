/**
 * What the rooms below the hub tell about their work. Telemetry turns these calls into metrics and logs; a room that reports
 * neither knows a metric's name nor pays for a label map. Every method is cheap, synchronous and never throws.
 */
import type { MemoryUse, ToolUse, TurnEnd } from './agents.ts';
import type { LoadPriority, RefusalReason } from './load.ts';
import type { AttemptRecord, RunRecord } from './runs.ts';

export interface RequestFinished {
  readonly method: string;
  /** The route's template, never the path that was asked for; `unmatched` for unknown paths. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  /** Duration minus waiting for upstreams; equals `durationMs` where there is none. */
  readonly hubMs: number;
  /** The status was 2xx but the stream ended in an error. */
  readonly streamFailed: boolean;
  readonly requestId: string;
  readonly runId: string | null;
  readonly traceId: string | null;
  /** The request's own span, in the header's form. */
  readonly traceparent: string | null;
  /** The caller's span. */
  readonly parentSpanId: string | null;
  readonly errorCode: string | null;
}

export interface QueryFinished {
  /** A short fixed name: `keys.find`, `runs.upsert`. */
  readonly query: string;
  readonly durationMs: number;
  readonly failed: boolean;
}

export interface TurnFinished {
  /** `cancelled`: its caller left, or the hub goes down. */
  readonly end: TurnEnd | 'failed' | 'cancelled';
  readonly tools: readonly ToolUse[];
  readonly memory: MemoryUse;
}

export interface MemoryFinished {
  readonly operation: 'remember' | 'recall' | 'find' | 'list' | 'forget';
  readonly outcome: 'ok' | 'failed' | 'cancelled';
  readonly durationMs: number;
  /** An embedding was wanted and there was none in time: by words only. */
  readonly withoutVector: boolean;
}

export interface CacheOperation {
  readonly tier: string;
  readonly operation: string;
  /** `refused`: its circuit was open, or too much was in flight. */
  readonly outcome: 'ok' | 'failed' | 'timeout' | 'refused';
  readonly ms: number;
}

export interface ExternalFinished {
  /** Its name in the configuration. */
  readonly api: string;
  /** The class of its answer’s status, `2xx` to `5xx`, `cached` where the API was not asked, or the code of the error that the caller got instead. */
  readonly outcome: string;
  /** To the head of the answer, repeats included. */
  readonly durationMs: number;
}

/** `dropped`: there was no room, or no time at the end. `rejected`: the collector would not have it. */
export type SpanEnd = 'exported' | 'dropped' | 'rejected';

export interface Observer {
  requestStarted(): void;
  requestFinished(event: RequestFinished): void;
  /** A request was sent away because there is more to do than can be done; it is told nowhere else. Null: a run on a socket. */
  requestShed(
    reason: RefusalReason,
    priority: LoadPriority,
    request: Pick<RequestFinished, 'method' | 'route' | 'status' | 'durationMs'> | null,
  ): void;
  attemptFinished(attempt: AttemptRecord): void;
  runFinished(run: RunRecord): void;
  turnFinished(event: TurnFinished): void;
  queryFinished(event: QueryFinished): void;
  /** A connection was handed out after waiting this long. */
  poolWaited(waitedMs: number): void;
  /** Run records given up: the backlog was full, or the database refused their values. */
  runsDropped(count: number): void;
  /** As `runsDropped`, of what was said in runs. */
  contentsDropped(count: number): void;
  retryBudgetExhausted(): void;
  /** A row of the usage ledger is in the database, or given up. */
  ledgerRow(end: 'written' | 'dropped'): void;
  /** An attempt went out that the ledger's journal could not take: a kill would lose it. */
  ledgerUnjournalled(): void;
  memoryFinished(event: MemoryFinished): void;
  externalFinished(event: ExternalFinished): void;
  /** An operation on a tier of the cache beneath memory. */
  cacheOperation(event: CacheOperation): void;
  /** What a tier beneath memory had of a key, and the bytes it gave. */
  cacheLookup(event: {
    readonly tier: string;
    readonly result: 'hit' | 'stale' | 'miss';
    readonly bytes: number;
  }): void;
  /** A tier beneath memory took a value. */
  cacheStored(event: { readonly tier: string; readonly bytes: number }): void;
  /** Announcements of other instances were missed. */
  cacheGap(): void;
  /** A new configuration is in force, or was not taken up. */
  configReloaded(outcome: 'applied' | 'refused'): void;
  /** Spans of traces came to this end. */
  spansEnded(how: SpanEnd, count: number): void;
}
