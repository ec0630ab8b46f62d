/**
 * Limits as the gateway and transports see them: a call is admitted by every limit that holds for it, or by none, before it is made; what
 * it came to is told after it. Money is whole millionths of a US dollar.
 */
import { LimitError } from '#core/errors';
import type { Admission, LimitAmounts, LimitStanding } from './admission.ts';
import type { Caller } from './gateway.ts';

/** Whom a call counts for. */
export interface LimitSubjects {
  readonly caller: Caller;
  /** The agent's name, where an agent asks. */
  readonly agent: string | null;
  /** The route's name; `external:<name>` for an external API. */
  readonly route: string | null;
}

export interface LimitedCall extends LimitSubjects {
  /** Unique: a place among the calls under way is kept under it. */
  readonly id: string;
  /** Asked for only where tokens or money are limited. High rather than low. */
  estimate(): LimitAmounts;
}

/**
 * `memory`: this instance is alone. `shared`: all instances count together, in Redis. `share`: Redis does not answer, and each instance
 * allows its own share, the limit divided by the instances that live.
 */
export type LimitMode = 'memory' | 'shared' | 'share';

export interface LimitModeReport {
  readonly mode: LimitMode;
  /** By how many a limit is divided now. */
  readonly dividedBy: number;
}

export interface LimitReport extends LimitModeReport {
  readonly limits: readonly LimitStanding[];
}

export interface Limits {
  /** Null where nothing limits the call. Throws `LimitExceededError`; for no other reason. */
  admit(call: LimitedCall): Promise<Admission> | null;
  /** What is left. */
  report(subjects: LimitSubjects): Promise<LimitReport>;
  mode(): LimitModeReport;
}

/** A call over a limit: which one, whose, and when there is room again. */
export class LimitExceededError extends LimitError {
  readonly limit: LimitStanding;
  /** All that hold for the call. */
  readonly standings: readonly LimitStanding[];

  constructor(detail: string, limit: LimitStanding, standings: readonly LimitStanding[], retryAfterMs?: number) {
    super('rate_limited', detail, retryAfterMs === undefined ? {} : { retryAfterMs });
    this.limit = limit;
    this.standings = standings;
  }
}

/** Money that budgets know of, kept for a start from nothing: of this process, or of Redis. */
export interface SpendStore {
  /** What has been spent in the period that began on this day (since 1970, UTC), by name; names without any are left out. */
  read(names: readonly string[], startDay: number): Promise<ReadonlyMap<string, number>>;
  /** One that was told before is not added again. */
  add(batch: SpendBatch): Promise<void>;
}

export interface SpendBatch {
  /** A process. */
  readonly writer: string;
  /** Greater than those of the batches that it told before: by that one is known that is told again. */
  readonly number: number;
  readonly rows: readonly Spend[];
}

export interface Spend {
  /** Of a budget: scope, whose and period. */
  readonly name: string;
  readonly startDay: number;
  readonly microUsd: number;
}
