/**
 * A clock's time for those who ask often and do not mind a time that is a little old. To read the clock costs 25 to 60 ns, about as
 * much as a call through a circuit breaker otherwise does. Where readings come in a row, less than a microsecond apart, one of
 * them serves 64, until the event loop next comes to its immediates at the latest.
 */

const CLOSE_MS = 0.001;
/** So many that came close show that reading is a good part of what is done, and that sharing is worth an immediate. */
const CLOSE_READINGS = 32;
const SHARED_BY = 64;

export class RecentTime {
  readonly #read: () => number;
  readonly #onTurnEnd: (callback: () => void) => void;
  #last = Number.NEGATIVE_INFINITY;
  #closeReadings = 0;
  /** How many the last reading was to serve, and still may. */
  #sharedBy = 1;
  #left = 0;
  #turnEnds = false;

  constructor(read: () => number, onTurnEnd: (callback: () => void) => void) {
    this.#read = read;
    this.#onTurnEnd = onTurnEnd;
  }

  now(): number {
    if (this.#left === 0) return this.#anew();
    this.#left--;
    return this.#last;
  }

  #anew(): number {
    const now = this.#read();
    const close = now - this.#last < CLOSE_MS * this.#sharedBy;
    this.#last = now;
    this.#closeReadings = close ? this.#closeReadings + 1 : 0;
    if (this.#closeReadings < CLOSE_READINGS) this.#sharedBy = 1;
    else this.#share();
    return now;
  }

  #share(): void {
    this.#sharedBy = SHARED_BY;
    this.#left = SHARED_BY - 1;
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#onTurnEnd(this.#end);
  }

  readonly #end = (): void => {
    this.#turnEnds = false;
    this.#closeReadings = 0;
    this.#left = 0;
  };
}
