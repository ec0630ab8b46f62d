/**
 * What rooms tell of a trace that is exported. Where none is, or not this one, there is no object to tell: that is all it costs. Every
 * method is cheap, synchronous and never throws; nothing that was said goes through here.
 */
import type { ToolUse, TurnEnd } from './agents.ts';
import type { RequestFinished } from './observer.ts';
import type { AttemptRecord, RunRecord } from './runs.ts';

export interface Tracing {
  /** Whether a trace that begins here is exported: decided by its id, so that every hub decides alike. */
  readonly samples: (traceId: string) => boolean;
  requestFinished(event: RequestFinished): void;
  /** A run on a socket, from the message that began it. */
  messageFinished(event: MessageFinished): void;
  /** Of a run beneath this span; undefined where its trace is not exported. */
  run(traceparent: string | undefined, operation: RunOperation): RunTrace | undefined;
  /** Of an agent's turn, as `run`. */
  turn(traceparent: string | undefined): TurnTrace | undefined;
}

export type RunOperation = 'chat' | 'embeddings';

export interface MessageFinished {
  readonly type: 'chat' | 'agent';
  readonly traceparent: string;
  readonly parentSpanId: string | null;
  readonly durationMs: number;
  /** Null where it ended well. */
  readonly errorCode: string | null;
}

export interface RunTrace {
  /** Gives the attempt a span, for the upstream to be told of. `kind`: that of its provider. */
  attempt(record: AttemptRecord, kind: string): string;
  /** The record is whole, with those of its attempts. */
  finished(record: RunRecord): void;
}

export interface TurnTrace {
  /** What its runs and tools are beneath. */
  readonly traceparent: string;
  tool(): ToolTrace;
  finished(turn: TurnFacts): void;
}

export interface TurnFacts {
  readonly agent: { readonly id: string; readonly name: string; readonly projectId: string };
  readonly conversationId: string | null;
  readonly end: TurnEnd | 'failed' | 'cancelled';
}

export interface ToolTrace {
  readonly traceparent: string;
  finished(use: ToolUse): void;
}
