/**
 * Counts by name, of no more names than there is room for: those are dropped that count nothing any more, and others only where all have
 * been looked at and none of them is such. Whoever is put in looks at a few, and the next goes on where he stopped.
 */
import { limits } from '#core/limits';

const ROOM = limits.limitSubjectsMax;
const LOOKS = 100;
/** So many more are kept until all have been looked at. */
const EXCESS = ROOM / LOOKS;

export interface CountsParts<T> {
  readonly isIdle: (counts: T) => boolean;
  readonly dropped?: (counts: T) => void;
}

export class BoundedCounts<T> {
  readonly #parts: CountsParts<T>;
  readonly #all = new Map<string, T>();
  #hand = this.#all.entries();

  constructor(parts: CountsParts<T>) {
    this.#parts = parts;
  }

  get(name: string): T | undefined {
    return this.#all.get(name);
  }

  set(name: string, counts: T): void {
    this.#all.set(name, counts);
    for (let looks = 0; looks < LOOKS && this.#all.size > ROOM; looks++) {
      const [other, found] = this.#next();
      if (other !== name && this.#parts.isIdle(found)) this.#drop(other, found);
    }
    if (this.#all.size <= ROOM + EXCESS) return;
    const [other, found] = this.#next();
    if (other !== name) this.#drop(other, found);
  }

  /** Round and round; there is one. */
  #next(): [string, T] {
    const next = this.#hand.next();
    if (next.done !== true) return next.value;
    this.#hand = this.#all.entries();
    return this.#next();
  }

  #drop(name: string, counts: T): void {
    this.#all.delete(name);
    this.#parts.dropped?.(counts);
  }
}
