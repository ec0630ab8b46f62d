/** An attempt in the ledger of this hub, from its dispatch until its row is in the database. */
import type { LedgerEntry, Settlement, UsageDispatch, UsageRecord } from '#contract/ledger';
import type { Segment } from './journal.ts';

/** What an entry belongs to. */
export interface Book {
  settle(entry: Entry, settlement: Settlement): void;
}

/** By which a row that comes back from the writer is known for an own one. */
const OWN = Symbol('entry');

type OwnRow = UsageRecord & { readonly [OWN]?: Entry };

export class Entry implements LedgerEntry {
  readonly dispatch: UsageDispatch;
  recorded: Promise<void> | undefined;
  /** In Redis; where it did not say so in time, it may be there too. */
  reserved = false;
  /** Null before it is written, where it is reserved, and where the journal could not be written. */
  dispatchedIn: Segment | null = null;
  settledIn: Segment | null = null;
  /** Null while the attempt is under way. */
  row: UsageRecord | null = null;
  /** Among all entries. */
  place = -1;
  /** Among those whose end the journal does not know yet. */
  unflushedAt: number | null = null;
  readonly #book: Book;

  constructor(dispatch: UsageDispatch, book: Book) {
    this.dispatch = dispatch;
    this.#book = book;
  }

  settled(settlement: Settlement): void {
    this.#book.settle(this, settlement);
  }

  /** The row that it becomes. Field by field, which costs a fraction of a spread of two: it is done for every attempt. */
  end(settlement: Settlement): UsageRecord {
    const { dispatch } = this;
    const row: OwnRow = {
      id: dispatch.id,
      runId: dispatch.runId,
      projectId: dispatch.projectId,
      keyId: dispatch.keyId,
      route: dispatch.route,
      requestedModel: dispatch.requestedModel,
      deployment: dispatch.deployment,
      provider: dispatch.provider,
      model: dispatch.model,
      kind: dispatch.kind,
      startedWallMs: dispatch.startedWallMs,
      estimatedPromptTokens: dispatch.estimatedPromptTokens,
      state: 'settled',
      outcome: settlement.outcome,
      promptTokens: settlement.promptTokens,
      completionTokens: settlement.completionTokens,
      cachedTokens: settlement.cachedTokens,
      costMicroUsd: settlement.costMicroUsd,
      priceSource: settlement.priceSource,
      [OWN]: this,
    };
    this.row = row;
    return row;
  }
}

/** Undefined for a row out of a journal or out of Redis. */
export function entryOf(row: OwnRow): Entry | undefined {
  return row[OWN];
}
