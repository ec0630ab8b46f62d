/** What limits tell about their work; telemetry makes metrics of it. Cheap, synchronous, never throws. */
import type { LimitStanding } from './admission.ts';

export interface LimitObserver {
  /** `refusedBy` null: admitted by all of them. */
  limitDecided(standings: readonly LimitStanding[], refusedBy: LimitStanding | null): void;
  limitStoreAsked(operation: 'reserve' | 'amend', outcome: 'ok' | 'failed' | 'timeout', ms: number): void;
}
