/** What was said in a run, where its route keeps that: the port between the gateway, storage and the transports. */
import type { Caller } from './gateway.ts';
import type { ContentPolicy } from './runs.ts';

export interface ContentRecord {
  /** The run's. */
  readonly id: string;
  readonly projectId: string;
  readonly policy: ContentPolicy;
  /** Whole milliseconds since the epoch: when the run began. */
  readonly startedWallMs: number;
  /** The answer is not whole: the run failed, was cancelled or gave none. */
  readonly partial: boolean;
  /** Text was left out, because there was more than `limits.contentCharsMax` of it. */
  readonly truncated: boolean;
  /** JSON text of the messages that the model was given. */
  readonly messages: string;
  /** JSON text of the choices that the caller was given: index, message, finish reason. */
  readonly answer: string;
}

/** Why nothing is shown: another's or unknown run; the route keeps none; the run goes on; lost, erased or deleted with age. */
export type ContentAbsence = 'no-run' | 'off' | 'running' | 'none';

export interface Contents {
  get(caller: Caller, runId: string): Promise<ContentRecord | { readonly absent: ContentAbsence }>;
  /**
   * What is kept of the run is deleted, what is on its way to the database too, and it is written down who did it. Also for a run
   * that goes on, of which nothing is kept then. Doing it again is no error.
   */
  erase(
    caller: Caller,
    actor: string,
    runId: string,
  ): Promise<{ readonly erased: true } | { readonly absent: 'no-run' | 'off' }>;
}
