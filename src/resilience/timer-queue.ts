/**
 * Many limits of the same length with one timer. What starts later ends later, so the entries stand in the order of their ends; the
 * timer is armed for the first, and one that was cancelled in time costs nothing but a look when the timer rings.
 */
import type { Clock, Timer } from '#core/clock';

class Entry implements Timer {
  readonly at: number;
  readonly ring: () => void;
  previous: Entry | undefined;
  next: Entry | undefined;
  queue: TimerQueue | undefined;

  constructor(at: number, ring: () => void, queue: TimerQueue) {
    this.at = at;
    this.ring = ring;
    this.queue = queue;
  }

  /** O(1); does nothing once it has rung. */
  cancel(): void {
    this.queue?.unlink(this);
  }
}

export class TimerQueue {
  readonly limitMs: number;
  readonly #clock: Clock;
  #first: Entry | undefined;
  #last: Entry | undefined;
  #armed: Timer | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.limitMs = limitMs;
  }

  /** Calls `ring` after `limitMs`, unless it is cancelled before. */
  add(ring: () => void): Timer {
    const entry = new Entry(this.#clock.now() + this.limitMs, ring, this);
    entry.previous = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    if (this.#armed === undefined) this.#arm(this.limitMs);
    return entry;
  }

  /** Lets go of the timer. For an owner who has ended, and adds nothing any more. */
  close(): void {
    this.#armed?.cancel();
  }

  unlink(entry: Entry): void {
    entry.queue = undefined;
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.previous = undefined;
    entry.next = undefined;
  }

  #arm(delayMs: number): void {
    this.#armed = this.#clock.schedule(Math.ceil(delayMs), () => this.#ring());
  }

  #ring(): void {
    const now = this.#clock.now();
    // Armed as it is until all have rung: what a callback adds must not arm it past those that stand before.
    try {
      while (this.#first !== undefined && this.#first.at <= now) {
        const due = this.#first;
        this.unlink(due);
        due.ring();
      }
    } finally {
      this.#armed = undefined;
      if (this.#first !== undefined) this.#arm(Math.max(0, this.#first.at - now));
    }
  }
}
