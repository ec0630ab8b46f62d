/**
 * The usage ledger: one row for every attempt that went out to an upstream, whether the hub lived to see its end or not. The gateway
 * says when an attempt goes out and how it ended; what is unknown is null and never 0. Money is whole millionths of a US dollar.
 */
import type { AttemptKind, AttemptOutcome } from './runs.ts';

/** What is known when an attempt goes out. */
export interface UsageDispatch {
  /** The run's id and the attempt's number in it: whoever writes the row twice writes one row. */
  readonly id: string;
  readonly runId: string;
  readonly projectId: string;
  /** Null in keyless mode. */
  readonly keyId: string | null;
  readonly route: string | null;
  readonly requestedModel: string;
  /** `provider/model`. */
  readonly deployment: string;
  readonly provider: string;
  /** The upstream's own name of the model. */
  readonly model: string;
  readonly kind: AttemptKind;
  /** Whole milliseconds since the epoch. */
  readonly startedWallMs: number;
  /** A guess from the length of the prompt's text; what an interrupted attempt is judged by. */
  readonly estimatedPromptTokens: number;
}

/** Tokens as the upstream stated them, and what they cost; null where it is not known. */
export interface AttemptUsage {
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** Those of the prompt that the upstream had cached; counted in `promptTokens` too. */
  readonly cachedTokens: number | null;
  /** Null where the tokens or the price are unknown. */
  readonly costMicroUsd: number | null;
  /** Where the price is from: `settings`, or the page and the date of the catalogue. Null where there is no cost. */
  readonly priceSource: string | null;
}

export interface Settlement extends AttemptUsage {
  /** Anything but `succeeded`: no completion was delivered whole. */
  readonly outcome: AttemptOutcome;
}

/**
 * A row. `interrupted`: the process ended before the attempt did, and nobody knows what became of it; its outcome is `running`, its
 * tokens and cost are null.
 */
export interface UsageRecord extends UsageDispatch, Settlement {
  readonly state: 'settled' | 'interrupted';
}

/** An attempt that goes out. */
export interface LedgerEntry {
  /**
   * The attempt waits for this before it goes out, a tenth of a second at most: then it is reserved where instances share a ledger.
   * Undefined where there is nothing to wait for.
   */
  readonly recorded: Promise<void> | undefined;
  /** Once. One that ends as `untranslatable` was never sent, and leaves no row. */
  settled(settlement: Settlement): void;
}

/** None throws or rejects: a ledger that cannot write counts what it could not, and the call goes on. */
export interface Ledger {
  /** Before the attempt goes out. */
  dispatched(dispatch: UsageDispatch): LedgerEntry;
  /**
   * Just before the first byte of an attempt goes out. Returns when a kill of the process can no longer lose what was dispatched so
   * far: attempts that go out at the same time share one write.
   */
  secure(): void;
}

export type UsageGrouping = 'key' | 'model' | 'deployment' | 'provider' | 'day';

export interface UsageQuery {
  /** Attempts that went out from here on, and before `toWallMs`; whole milliseconds since the epoch. */
  readonly fromWallMs: number;
  readonly toWallMs: number;
  readonly groupBy: UsageGrouping | null;
  /** The groups with the most attempts; how many at most. */
  readonly groupsMax: number;
}

/** Sums over rows. A sum leaves out what is unknown: the counts beside it say how much that is. */
export interface UsageTotals {
  /** Runs, by their first attempt. */
  readonly requests: number;
  readonly attempts: number;
  /** Those that brought a whole answer, and those that the hub did not live to see the end of. */
  readonly succeeded: number;
  readonly interrupted: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly unknownTokens: number;
  readonly costMicroUsd: number;
  readonly unknownCost: number;
}

export interface UsageGroup extends UsageTotals {
  /** A key's id (null: without keys), a model, a deployment, a provider, or a day in UTC (`2026-01-31`). */
  readonly group: string | null;
}

export interface UsageReport {
  readonly totals: UsageTotals;
  /** The most attempts first; days in order. Empty where nothing is grouped by. */
  readonly groups: readonly UsageGroup[];
}
