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
  readonly #entries = new Set<Entry>();
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
    return this.#entries.size;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const entry = { at: this.#now + Math.max(delayMs, 0), order: this.#order++, callback };
    this.#entries.add(entry);
    return { cancel: () => this.#entries.delete(entry) };
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
      this.#entries.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** Moves time on without letting anything run: for a mechanism that keeps no timers. */
  jump(byMs: number): void {
    this.#now += byMs;
  }

  #nextBefore(end: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.at > end) continue;
      if (first === undefined || entry.at < first.at || (entry.at === first.at && entry.order < first.order))
        first = entry;
    }
    return first;
  }
}

/** Lets promise reactions and immediates that are already queued run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
