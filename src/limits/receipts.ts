/**
 * Which sums of budgets Redis may have taken without saying so: they are told again under the number that they had, under which it takes
 * them once. Bounded in number and time; what finds no room is not told again.
 */
import type { Clock } from '#core/clock';
import { RECEIPT_MS } from './scripts.ts';
import type { Amendment, Receipt } from './store.ts';

/** Of batches. Few are under way when a connection is lost, and none is told while it is away. */
const UNSURE_MAX = 100;

interface Unsure {
  readonly receipt: Receipt;
  readonly sums: readonly Amendment[];
  readonly sinceMs: number;
}

export class Receipts {
  readonly #clock: Clock;
  readonly #teller: string;
  #last = 0;
  /** Answered, and Redis does not know yet that it need not remember them. */
  #done: number[] = [];
  #unsure: Unsure[] = [];

  /** `teller`: of this process alone. */
  constructor(clock: Clock, teller: string) {
    this.#clock = clock;
    this.#teller = teller;
  }

  /** For what is told now; undefined where nothing in it is to count once. */
  next(batch: readonly Amendment[]): Receipt | undefined {
    if (!batch.some(({ kind }) => kind === 'budget')) return undefined;
    const done = this.#done;
    this.#done = [];
    return { teller: this.#teller, number: ++this.#last, done };
  }

  /** It was answered when it was told first: nothing of it is on its way any more. */
  answered({ number }: Receipt): void {
    this.#done.push(number);
  }

  /** It is not known whether it was taken. Remembered there for good, since a lost connection may yet deliver it. */
  unsure(receipt: Receipt, batch: readonly Amendment[]): void {
    const sums = batch.filter(({ kind }) => kind === 'budget');
    this.#unsure.push({ receipt: { ...receipt, done: [] }, sums, sinceMs: this.#clock.now() });
    if (this.#unsure.length > UNSURE_MAX) this.#unsure.shift();
  }

  /** What is to be told again; nothing is left. */
  take(): { readonly receipt: Receipt; readonly sums: readonly Amendment[] }[] {
    const now = this.#clock.now();
    const all = this.#unsure;
    this.#unsure = [];
    return all
      .filter(({ sinceMs }) => now - sinceMs < RECEIPT_MS)
      .map(({ receipt, sums, sinceMs }) => ({ receipt, sums: sums.map((sum) => older(sum, now - sinceMs)) }));
  }
}

function older(sum: Amendment, byMs: number): Amendment {
  return sum.kind === 'budget' ? { ...sum, ageMs: sum.ageMs + byMs } : sum;
}
