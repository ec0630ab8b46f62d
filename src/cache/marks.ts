/**
 * The numbered invalidations of one process. An entry remembers the number from before its value was made, and is judged by the
 * numbers of its tags, its prefix and of everything. Bounded: when a mark is forgotten, all that is older than it goes with it.
 */

const MARKS_MAX = 50_000;

interface Mark {
  /** The numbers of the last hard and the last soft invalidation. */
  hard: number;
  soft: number;
}

export type Judgement = 'valid' | 'expired' | 'gone';

export class Marks {
  readonly #marks = new Map<string, Mark>();
  readonly #max: number;
  #floor = 0;
  /** The number of the last invalidation. */
  last = 0;

  constructor(max = MARKS_MAX) {
    this.#max = max;
  }

  /** `number` is larger than every one before. */
  invalidate(name: string, hard: boolean, number: number): void {
    this.last = number;
    const mark = this.#marks.get(name) ?? { hard: 0, soft: 0 };
    if (hard) mark.hard = number;
    else mark.soft = number;
    // Set again behind the others, so that the first of the map is the longest unused.
    this.#marks.delete(name);
    this.#marks.set(name, mark);
    if (this.#marks.size <= this.#max) return;
    const [oldest] = this.#marks;
    if (oldest === undefined) return;
    this.#marks.delete(oldest[0]);
    this.#floor = Math.max(this.#floor, oldest[1].hard, oldest[1].soft);
  }

  /** What became of a value whose making began at `since`. */
  judge(names: readonly string[], since: number): Judgement {
    if (since < this.#floor) return 'gone';
    let judgement: Judgement = 'valid';
    for (const name of names) {
      const mark = this.#marks.get(name);
      if (mark === undefined) continue;
      if (mark.hard > since) return 'gone';
      if (mark.soft > since) judgement = 'expired';
    }
    return judgement;
  }
}
