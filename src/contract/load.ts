/** The gate that an instance puts before its work, so that more of it than can be done in time costs nobody but those sent away. */

/**
 * `vital`: health, metrics, operators; never turned away. `continuing`: more of what is under way already, such as the rest of a stream
 * whose connection broke. `new`: everything else, which goes first.
 */
export type LoadPriority = 'vital' | 'continuing' | 'new';

/** `event_loop`: what is taken in now waits too long for its turn. `memory`: the heap or the container is nearly full. */
export type ShedReason = 'event_loop' | 'memory';

/** `queue`: those who came before still wait to begin. `full`: all places are taken. */
export type RefusalReason = ShedReason | 'queue' | 'full';

export interface LoadGate {
  /** Why this one is sent away, or null. Constant time; `inFlight` counts it, `nowMs` is the monotonic clock's. */
  admit(priority: LoadPriority, inFlight: number, nowMs: number): ShedReason | null;
  /** Of new work, from 0 to 1; 1 while nothing is turned away. */
  readonly admittedShare: number;
}
