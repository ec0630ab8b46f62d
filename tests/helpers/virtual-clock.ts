/** Time that moves only when a test says so. Callbacks run in order of their moment, then of their scheduling. */
import type { Clock, Timer } from '#core/clock';
import { sleepOn } from '#core/clock';

interface Entry {
  at: number;
  order: number;
  callback: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  /** Sorted by when they are due. */
  readonly #entries: Entry[] = [];
  #epochMs: number;

  constructor(epochMs = Date.UTC(2026, 0, 1)) {
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#epochMs + this.#now;
  }

  /** The wall clock alone jumps, as when somebody sets it. */
  stepWall(byMs: number): void {
    this.#epochMs += byMs;
  }

  /** Timers that wait: a mechanism that promises none is held to it here. */
  get pending(): number {
    return this.#entries.length;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const entry = { at: this.#now + Math.max(delayMs, 0), order: this.#order++, callback };
    this.#entries.splice(this.#placeOf(entry), 0, entry);
    return { cancel: () => this.#remove(entry) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Moves time on, running what falls due; between two callbacks the microtasks that the first one queued are run. */
  async advance(byMs: number): Promise<void> {
    // What was begun before this call has yet to reach its first wait.
    await settle();
    const end = this.#now + byMs;
    for (let due = this.#nextBefore(end); due !== undefined; due = this.#nextBefore(end)) {
      this.#remove(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** Moves time on, and then runs all that fell due at once: for thousands of timers of which each may be a moment late. */
  async leap(byMs: number): Promise<void> {
    this.#now += byMs;
    for (let due = this.#nextBefore(this.#now); due !== undefined; due = this.#nextBefore(this.#now)) {
      this.#remove(due);
      due.callback();
    }
    await settle();
  }

  /** Moves time on without letting anything run: for a mechanism that keeps no timers. */
  jump(byMs: number): void {
    this.#now += byMs;
  }

  #nextBefore(end: number): Entry | undefined {
    const [first] = this.#entries;
    return first !== undefined && first.at <= end ? first : undefined;
  }

  #remove(entry: Entry): void {
    const place = this.#placeOf(entry);
    if (this.#entries[place] === entry) this.#entries.splice(place, 1);
  }

  /** Where it stands, or would. */
  #placeOf({ at, order }: Entry): number {
    let [from, to] = [0, this.#entries.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#entries[middle];
      if (other !== undefined && (other.at < at || (other.at === at && other.order < order))) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** Lets promise reactions and immediates that are already queued run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
