/**
 * Limits counted in this process: for a hub that is alone, and for an instance's share while Redis does not answer. Bounded: counts are
 * dropped that have run out, and budgets, which are read again; others only where nothing has run out.
 */
import type { Clock } from '#core/clock';
import { BoundedCounts } from './bounded-counts.ts';
import { DAY_MS, daysOf } from './calendar.ts';
import type { Rule } from './rules.ts';
import { amountOf } from './store.ts';
import type { Amendment, Claim, LimitStore, Mark, Reserved, RuleState } from './store.ts';
import { SlidingWindow } from './window.ts';

/** A place that is taken says nothing of when it will be free. */
export const PLACE_WAIT_MS = 1_000;

interface Budget {
  start: number;
  /** Of the store that counts for all; negative where it was begun here. */
  readonly generation: number;
  spent: number;
  /** Of it, what others had spent when this instance was left alone; only the rest is shared out. */
  base: number;
}

export class MemoryStore implements LimitStore {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #windows = new BoundedCounts<SlidingWindow>({
    isIdle: (window) => window.used(this.#clock.now()) === 0,
    dropped: ({ lastMark }) => (this.#lastMark = Math.max(this.#lastMark, lastMark)),
  });
  /** By rule, then by id: when the place ends. */
  readonly #places = new BoundedCounts<Map<string, number>>({
    isIdle: (places) => heldOf(places, this.#clock.now()).size === 0,
  });
  readonly #budgets = new BoundedCounts<Budget>({ isIdle: () => true });
  /** Budgets that were begun here. */
  #begun = 0;
  /** The last of all windows that were dropped: a mark of one of them is none of the window that is begun in its place. */
  #lastMark = 0;

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  reserve(claims: readonly Claim[]): Promise<readonly Reserved[]> {
    return Promise.resolve(claims.map((claim) => this.take(claim)));
  }

  amend(amendments: readonly Amendment[]): Promise<void> {
    for (const amendment of amendments) this.#amend(amendment);
    return Promise.resolve();
  }

  /** `share`: by how many instances each limit is divided. */
  take(claim: Claim, share = 1): Reserved {
    const missing = claim.rules.flatMap((rule) => this.#missing(rule, claim));
    if (missing.length > 0) return { kind: 'unseeded', budgets: missing };
    const looked = claim.rules.map((rule) => this.#look(rule, amountOf(rule, claim), share));
    const refused = looked.some((state) => state.refused);
    if (refused || claim.id === null) return { kind: refused ? 'refused' : 'granted', states: looked };
    const { id, leaseMs } = claim;
    const states = claim.rules.map((rule, place): RuleState => {
      const amount = amountOf(rule, claim);
      const mark = this.#commit(rule, amount, id, leaseMs);
      const { used = 0, max = rule.max, resetMs = 0, generation = 0 } = looked[place] ?? {};
      return { used: used + amount, max, resetMs, refused: false, mark, generation };
    });
    return { kind: 'granted', states };
  }

  /** Counts what was granted by whoever counts for all, whatever is held here; budgets apart, which are learned. */
  mirror(claim: Claim): readonly Mark[] {
    const { id, leaseMs, rules } = claim;
    if (id === null) return [];
    return rules.map((rule): Mark => {
      const mark = rule.kind === 'usd' ? 0 : this.#commit(rule, amountOf(rule, claim), id, leaseMs);
      return { mark, generation: 0 };
    });
  }

  /** What all have spent in this period, as somebody knows who counts for all. */
  learn(name: string, start: number, spent: number, generation = 0): void {
    this.#budgets.set(name, { start, generation, spent, base: spent });
  }

  /** What of a budget is known here to be spent in the period that began then; null where nothing is. */
  spentOf(name: string, start: number): number | null {
    const budget = this.#budgets.get(name);
    return budget?.start === start ? budget.spent : null;
  }

  #missing(rule: Rule, { seeds }: Claim): { name: string; startDay: number }[] {
    const { kind, period, name } = rule;
    if (kind !== 'usd' || period === null || period === 'minute') return [];
    const { start } = daysOf(period, this.#clock.wallMs());
    const known = this.#budgets.get(name);
    if (known !== undefined && known.start < start) Object.assign(known, { start, spent: 0, base: 0 });
    if (known !== undefined) return [];
    const seed = seeds?.get(name);
    if (seed === undefined) return [{ name, startDay: start }];
    this.learn(name, start, seed, -++this.#begun);
    return [];
  }

  #look(rule: Rule, amount: number, share: number): RuleState {
    const { name, kind, period } = rule;
    // Never nothing: an instance's share of one request is one request.
    const max = share === 1 ? rule.max : Math.max(1, Math.floor(rule.max / share));
    if (kind === 'concurrent') {
      const used = this.#taken(name)?.size ?? 0;
      const refused = used + amount > max;
      return { used, max, resetMs: refused ? PLACE_WAIT_MS : 0, refused, mark: 0, generation: 0 };
    }
    if (kind === 'usd' && period !== null && period !== 'minute') {
      const { spent = 0, base = 0, generation = 0 } = this.#budgets.get(name) ?? {};
      const wallMs = this.#clock.wallMs();
      const { start, end } = daysOf(period, wallMs);
      // All may have spent more than there was: then nothing is left to share.
      const allowed = share === 1 || base >= rule.max ? rule.max : base + Math.floor((rule.max - base) / share);
      const refused = amount > 0 && spent + amount > allowed;
      return { used: spent, max: allowed, resetMs: end * DAY_MS - wallMs, refused, mark: start, generation };
    }
    const now = this.#clock.now();
    const window = this.#windows.get(name) ?? new SlidingWindow(this.#windowMs);
    const waitMs = window.waitMs(amount, max, now);
    const resetMs = waitMs > 0 ? waitMs : window.resetMs(now) || (amount > 0 ? this.#windowMs : 0);
    return { used: window.used(now), max, resetMs, refused: waitMs > 0, mark: 0, generation: 0 };
  }

  #commit({ name, kind, period, max }: Rule, amount: number, id: string, leaseMs: number): number {
    if (kind === 'concurrent') {
      this.#hold(name, id, leaseMs);
      return 0;
    }
    if (kind === 'usd' && period !== null && period !== 'minute') {
      const budget = this.#budgets.get(name);
      if (budget !== undefined) budget.spent += amount;
      return budget?.start ?? 0;
    }
    return this.#window(name).add(amount, max, this.#clock.now());
  }

  #amend(amendment: Amendment): void {
    const { kind, name } = amendment;
    switch (kind) {
      case 'window':
        this.#windows.get(name)?.amend(amendment.mark, amendment.by);
        break;
      case 'budget': {
        const budget = this.#budgets.get(name);
        // One that was dropped and begun again knows of no estimate.
        if (budget?.start === amendment.mark)
          budget.spent += budget.generation === amendment.generation ? amendment.by : amendment.whole;
        break;
      }
      case 'add':
        this.#window(name).add(amendment.by, amendment.max, this.#clock.now());
        break;
      case 'leave':
        for (const id of amendment.ids) this.#places.get(name)?.delete(id);
        break;
      case 'hold':
        this.#hold(name, amendment.id, amendment.leaseMs);
        break;
      case 'undo':
        // Always answers, so nothing is ever unknown here.
        break;
    }
  }

  #window(name: string): SlidingWindow {
    const found = this.#windows.get(name);
    if (found !== undefined) return found;
    const window = new SlidingWindow(this.#windowMs, this.#lastMark);
    this.#windows.set(name, window);
    return window;
  }

  /** Undefined where nobody ever held one: who only looks leaves nothing behind. */
  #taken(name: string): Map<string, number> | undefined {
    const places = this.#places.get(name);
    return places === undefined ? undefined : heldOf(places, this.#clock.now());
  }

  /** Behind all others: so they stand in the order in which they end, as long as their leases are of one length. */
  #hold(name: string, id: string, leaseMs: number): void {
    let places = this.#taken(name);
    if (places === undefined) this.#places.set(name, (places = new Map<string, number>()));
    places.delete(id);
    places.set(id, this.#clock.now() + leaseMs);
  }
}

/** Places whose time is over are free. */
function heldOf(places: Map<string, number>, now: number): Map<string, number> {
  // The first one that is held ends the search: to look at all of them for each of them takes a second where thousands are under way.
  for (const [id, until] of places) {
    if (until > now) break;
    places.delete(id);
  }
  return places;
}
