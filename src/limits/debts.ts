/** What Redis was not told while it was away, in as few words as it can be told later. Bounded; what finds no room is not told. */
import type { Clock } from '#core/clock';
import { limits } from '#core/limits';
import type { Amendment } from './store.ts';
import { SlidingWindow } from './window.ts';

export class Debts {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #windows = new Map<string, { readonly window: SlidingWindow; readonly max: number }>();
  readonly #budgets = new Map<string, Extract<Amendment, { kind: 'budget' | 'window' }>>();
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
    const all = [...windows, ...this.#budgets.values(), ...this.#single];
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

  #owe(amendment: Extract<Amendment, { kind: 'budget' | 'window' }>): void {
    const place = `${amendment.mark} ${amendment.name}`;
    const before = this.#budgets.get(place);
    if (before === undefined && this.#budgets.size >= limits.limitSubjectsMax) return;
    this.#budgets.set(place, { ...amendment, by: amendment.by + (before?.by ?? 0) });
  }
}
