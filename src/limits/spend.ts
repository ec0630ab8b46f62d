/**
 * What budgets have come to, written down behind the calls and read back where nobody knows any more: at the start of a hub that is
 * alone, and for a Redis that was emptied. Without the database budgets count from what is known, and say so in the log.
 */
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import { within } from '#core/within';
import type { Spend, SpendBatch, SpendStore } from '#contract/limits';
import type { Logger } from '#contract/logger';

const READ_MS = 1_000;

export interface SpendParts {
  readonly store: SpendStore;
  /** Of this process alone. */
  readonly incarnation: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SpendBook {
  readonly #parts: SpendParts;
  /** Not written yet. */
  #owed = new Map<string, Spend>();
  /** Being written, or written for all that is known: it is told again as it was, before anything else. */
  #unsure: SpendBatch | null = null;
  #batches = 0;
  #writing: Promise<void> | null = null;

  constructor(parts: SpendParts) {
    this.#parts = parts;
  }

  /** Never rejects: what cannot be read is begun with what is known here, which is null of a budget that is not. */
  async read(
    budgets: readonly { readonly name: string; readonly startDay: number }[],
    knownHere: (name: string, startDay: number) => number | null,
  ): Promise<Map<string, number>> {
    const { store, clock, logger } = this.#parts;
    const known = new Map<string, number>();
    const signal = new AbortController().signal;
    for (const startDay of new Set(budgets.map((budget) => budget.startDay))) {
      const names = budgets.filter((budget) => budget.startDay === startDay).map(({ name }) => name);
      const owed = (name: string): number => this.#notWritten(name, startDay);
      try {
        const read = await within({ clock, limitMs: READ_MS, signal }, async () => {
          // What is told again may be among what is read: until it is known to be, nobody can say how much that is.
          if (this.#unsure !== null) await this.flush();
          return store.read(names, startDay);
        });
        for (const name of names) known.set(name, (read.get(name) ?? 0) + owed(name));
      } catch (error) {
        logger.warn('limit-budgets-not-read', { count: names.length, reason: messageOf(error) });
        for (const name of names) known.set(name, knownHere(name, startDay) ?? owed(name));
      }
    }
    return known;
  }

  spent(spend: Spend): void {
    if (spend.microUsd === 0) return;
    const place = placeOf(spend.name, spend.startDay);
    const before = this.#owed.get(place);
    if (before === undefined && this.#owed.size >= limits.limitSubjectsMax) return;
    this.#owed.set(place, { ...spend, microUsd: (before?.microUsd ?? 0) + spend.microUsd });
  }

  /** As far as is known. */
  #notWritten(name: string, startDay: number): number {
    const unsure = this.#unsure?.rows.find((row) => row.name === name && row.startDay === startDay);
    return (this.#owed.get(placeOf(name, startDay))?.microUsd ?? 0) + (unsure?.microUsd ?? 0);
  }

  /** Never rejects. What could not be written, or was not confirmed, waits for the next time. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => (this.#writing = null));
    return this.#writing;
  }

  /** As `flush`, with what was spent since a writing began that is under way. */
  async close(): Promise<void> {
    await this.#writing;
    await this.flush();
  }

  async #write(): Promise<void> {
    const { store, incarnation: writer, logger } = this.#parts;
    try {
      if (this.#unsure !== null) await store.add(this.#unsure);
      this.#unsure = null;
      if (this.#owed.size === 0) return;
      this.#unsure = { writer, number: ++this.#batches, rows: [...this.#owed.values()] };
      this.#owed = new Map();
      await store.add(this.#unsure);
      this.#unsure = null;
    } catch (error) {
      logger.warn('limit-budgets-not-written', { count: this.#unsure?.rows.length ?? 0, reason: messageOf(error) });
    }
  }
}

function placeOf(name: string, startDay: number): string {
  return `${startDay} ${name}`;
}
