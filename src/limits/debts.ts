/** What Redis was not told while it was away, in as few words as it can be told later. Bounded; what finds no room is not told. */
import type { Clock } from '#core/clock';
import { limits } from '#core/limits';
import type { Amendment, BudgetAmendment } from './store.ts';
import { SlidingWindow } from './window.ts';

/** What is spent so close together is told together. */
const TOGETHER_MS = 1_000;
/** Sums of one budget: instances find Redis again within seconds of each other, and only what was spent between is to be told apart. */
const SUMS_MAX = 30;

interface Sum {
  readonly amendment: BudgetAmendment;
  /** Of the first and the last that is in it. */
  readonly fromMs: number;
  readonly toMs: number;
}

export class Debts {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #windows = new Map<string, { readonly window: SlidingWindow; readonly max: number }>();
  /** By period, generation and name; in order. */
  readonly #budgets = new Map<string, Sum[]>();
  /** Of places and of single calls. */
  #single: Amendment[] = [];

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  get size(): number {
    return this.#windows.size + this.#budgets.size + this.#single.length;
  }

  add(amendments: readonly Amendment[]): void {
    for (const amendment of amendments) {
      const { kind, name } = amendment;
      if (kind === 'leave' || kind === 'hold' || kind === 'undo') {
        if (this.#single.length < limits.limitSubjectsMax) this.#single.push(amendment);
      } else if (kind === 'add') this.#window(name, amendment.max)?.add(amendment.by, amendment.max, this.#clock.now());
      else if (kind === 'budget') this.#owe(amendment);
      // A window's slot will have run out before long; until then the estimate stays.
    }
  }

  /** All of it; nothing is left. What a window no longer counts is not told. */
  take(): Amendment[] {
    const now = this.#clock.now();
    const windows = [...this.#windows].flatMap(([name, { window, max }]): Amendment[] => {
      const by = window.used(now);
      return by > 0 ? [{ kind: 'add', name, by, max }] : [];
    });
    const budgets = [...this.#budgets.values()].flatMap((sums) =>
      sums.map(({ amendment, toMs }): Amendment => ({ ...amendment, ageMs: now - toMs })),
    );
    const all = [...windows, ...budgets, ...this.#single];
    this.#windows.clear();
    this.#budgets.clear();
    this.#single = [];
    return all;
  }

  #window(name: string, max: number): SlidingWindow | null {
    const found = this.#windows.get(name);
    if (found !== undefined) return found.window;
    if (this.#windows.size >= limits.limitSubjectsMax) return null;
    const window = new SlidingWindow(this.#windowMs);
    this.#windows.set(name, { window, max });
    return window;
  }

  #owe(amendment: BudgetAmendment): void {
    const { mark, generation, name, ageMs } = amendment;
    const place = `${mark} ${generation} ${name}`;
    const sums = this.#budgets.get(place) ?? [];
    if (sums.length === 0) {
      if (this.#budgets.size >= limits.limitSubjectsMax) return;
      this.#budgets.set(place, sums);
    }
    const at = this.#clock.now() - ageMs;
    const last = sums.at(-1);
    const next = { amendment, fromMs: at, toMs: at };
    if (last !== undefined && at - last.fromMs < TOGETHER_MS) sums[sums.length - 1] = together(last, next);
    else sums.push(next);
    const [first, second] = sums;
    if (sums.length > SUMS_MAX && first !== undefined && second !== undefined)
      sums.splice(0, 2, together(first, second));
  }
}

function together(one: Sum, other: Sum): Sum {
  const { by, whole } = one.amendment;
  return {
    amendment: { ...other.amendment, by: by + other.amendment.by, whole: whole + other.amendment.whole },
    fromMs: Math.min(one.fromMs, other.fromMs),
    toMs: Math.max(one.toMs, other.toMs),
  };
}
