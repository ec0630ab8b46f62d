/**
 * A sliding window in slots of a sixtieth: how much was taken within the last `windowMs`. A slot counts until `windowMs` after the last
 * time that something was put into it, so no interval of that length ever holds more than the limit; and a slot that has a hundredth of
 * the limit in it is full, so what comes free comes at most a hundredth late. Bounded, whatever the traffic: two slots of one sixtieth have
 * more than a hundredth in them when they are made; where it turns out to be less, and there are more slots than that allows, those of a
 * sixtieth are one.
 */

export const SLOTS = 60;
/** Shares of the limit that one slot holds at most, a single large call apart. */
export const SHARES = 100;

/** From here on one for each sixtieth. Fewer where nothing is amended. */
export const SLOTS_MAX = 2 * SHARES + SLOTS;

interface Slot {
  readonly mark: number;
  /** Which sixtieth it began in. */
  readonly place: number;
  lastMs: number;
  amount: number;
}

export class SlidingWindow {
  readonly #windowMs: number;
  readonly #slots: Slot[] = [];
  #first = 0;
  #mark: number;
  #used = 0;

  /** `lastMark`: its own are greater. */
  constructor(windowMs: number, lastMark = 0) {
    this.#windowMs = windowMs;
    this.#mark = lastMark;
  }

  get lastMark(): number {
    return this.#mark;
  }

  used(nowMs: number): number {
    this.#trim(nowMs);
    return this.#used;
  }

  /** Until `amount` has room below `max`; 0 where it has. Milliseconds. Infinity where it never has. */
  waitMs(amount: number, max: number, nowMs: number): number {
    let over = this.used(nowMs) + amount - max;
    if (over <= 0) return 0;
    for (let place = this.#first; place < this.#slots.length; place++) {
      const slot = this.#slots[place];
      if (slot === undefined) break;
      over -= slot.amount;
      if (over <= 0) return slot.lastMs + this.#windowMs - nowMs;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Until the oldest slot counts no more; 0 where there is none. */
  resetMs(nowMs: number): number {
    this.#trim(nowMs);
    const oldest = this.#slots[this.#first];
    return oldest === undefined ? 0 : oldest.lastMs + this.#windowMs - nowMs;
  }

  /** Returns the slot's mark, for `amend`. */
  add(amount: number, max: number, nowMs: number): number {
    this.#trim(nowMs);
    const place = Math.floor(nowMs / Math.max(1, Math.floor(this.#windowMs / SLOTS)));
    let slot = this.#slots.at(-1);
    const count = this.#slots.length - this.#first;
    const full = slot !== undefined && slot.amount + amount > max / SHARES && count < SLOTS_MAX;
    if (count === 0 || slot?.place !== place || full) {
      slot = { mark: ++this.#mark, place, lastMs: nowMs, amount: 0 };
      this.#slots.push(slot);
    }
    slot.lastMs = nowMs;
    slot.amount += amount;
    this.#used += amount;
    return slot.mark;
  }

  /** What was put into a slot turned out to be more or less. A slot that counts no more stays as it was. */
  amend(mark: number, by: number): void {
    const place = this.#slots.length - 1 - (this.#mark - mark);
    const slot = place < this.#first ? undefined : this.#slots[place];
    if (slot?.mark !== mark) return;
    slot.amount += by;
    this.#used += by;
  }

  #trim(nowMs: number): void {
    for (;;) {
      const slot = this.#slots[this.#first];
      if (slot === undefined || slot.lastMs + this.#windowMs > nowMs) break;
      this.#used -= slot.amount;
      this.#first++;
    }
    // Not one by one: taking the head off an array moves all the rest.
    if (this.#first > SLOTS) {
      this.#slots.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
