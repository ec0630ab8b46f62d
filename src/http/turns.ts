/**
 * The queue before the hub's work. A turn of the event loop begins so many requests and no more, and the rest wait for the next: so a
 * turn stays short whatever arrives; health is answered, and connections are taken, between two of them. The age of whoever waits
 * longest says how far the hub is behind: while that is too far, no new work comes in (the standing queue of CoDel, RFC 8289).
 */
import { onNextTurn } from '#core/clock';

/** Some ten milliseconds of work. */
const BEGUN_PER_TURN = 32;
/** The loop takes one new connection a turn: where many come, turns are to be short. */
const BEGUN_OF_MANY = 8;
const MANY = 128;
/** What it costs to send as many away is what it costs to begin one. */
const AWAY_PER_BEGUN = 4;
/** Fewer are no queue: after a pause of the machine there are always some who waited long. */
const QUEUE_MIN = 32;

interface Waiting {
  readonly since: number;
  readonly begin: () => void;
}

export class Turns {
  readonly #queueMs: number;
  readonly #nextTurn: (callback: () => void) => void;
  /** Taken from `#first` on; what is before it has begun. */
  #waiting: Waiting[] = [];
  #first = 0;
  #begun = 0;
  #away = 0;
  #turning = false;

  /** `queueMs`: how long the first in the queue may have waited before new work is too much. */
  constructor(queueMs: number, nextTurn = onNextTurn) {
    this.#queueMs = queueMs;
    this.#nextTurn = nextTurn;
  }

  get waiting(): number {
    return this.#waiting.length - this.#first;
  }

  /** Whether who comes now would wait too long; `nowMs` is the monotonic clock's. */
  isBehind(nowMs: number): boolean {
    return this.waiting >= QUEUE_MIN && nowMs - (this.#waiting[this.#first]?.since ?? nowMs) > this.#queueMs;
  }

  /** Whether a request may begin at once, which is counted; otherwise it has to `wait`. */
  isFree(): boolean {
    if (this.waiting > 0 || this.#begun >= BEGUN_PER_TURN) return false;
    this.#begun++;
    this.#turnLater();
    return true;
  }

  /** Calls `begin` when its turn comes; in order. */
  wait(since: number, begin: () => void): void {
    this.#waiting.push({ since, begin });
    this.#turnLater();
  }

  /** Counts one who was sent away: the more they are, the longer a turn, and those who wait are to have their share of it. */
  turnedAway(): void {
    this.#away++;
  }

  #turnLater(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#nextTurn(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#turning = false;
    const most = this.waiting > MANY ? BEGUN_OF_MANY : BEGUN_PER_TURN;
    this.#begun = Math.min(this.waiting, Math.max(most, Math.ceil(this.#away / AWAY_PER_BEGUN)));
    this.#away = 0;
    if (this.#begun === 0) return;
    // Each by itself: what one does at once is done before the next begins, and none is between two looks at the connections.
    for (let count = 0; count < this.#begun; count++) this.#nextTurn(this.#beginFirst);
    this.#turnLater();
  };

  readonly #beginFirst = (): void => {
    const next = this.#waiting[this.#first++];
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else if (this.#first >= 1_024) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    next?.begin();
  };
}
