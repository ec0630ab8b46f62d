/**
 * What budgets have come to, written down behind the calls and read back where nobody knows any more: at the start of a hub that is
 * alone, and for a Redis that was emptied. Without the database budgets count from what is known, and say so in the log.
 */
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import { within } from '#core/within';
import type { Spend, SpendStore } from '#contract/limits';
import type { Logger } from '#contract/logger';

const READ_MS = 1_000;

export interface SpendParts {
  readonly store: SpendStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SpendBook {
  readonly #parts: SpendParts;
  /** Not written yet. */
  #owed = new Map<string, Spend>();
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
      const owed = (name: string): number => this.#owed.get(placeOf(name, startDay))?.microUsd ?? 0;
      try {
        const read = await within({ clock, limitMs: READ_MS, signal }, () => store.read(names, startDay));
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

  /** Never rejects. What could not be written waits for the next time. */
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
    if (this.#owed.size === 0) return;
    const rows = [...this.#owed.values()];
    this.#owed = new Map();
    try {
      await this.#parts.store.add(rows);
    } catch (error) {
      this.#parts.logger.warn('limit-budgets-not-written', { count: rows.length, reason: messageOf(error) });
      for (const row of rows) this.spent(row);
    }
  }
}

function placeOf(name: string, startDay: number): string {
  return `${startDay} ${name}`;
}
