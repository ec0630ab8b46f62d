/**
 * The queue before the hub's work. A turn of the event loop begins so many requests and no more, and the rest wait for the next: so a
 * turn stays short whatever arrives; health is answered, and connections are taken, between two of them. The age of whoever waits
 * longest says how far the hub is behind: while that is too far, no new work comes in (the standing queue of CoDel, RFC 8289).
 */
import { onNextTurn } from '#core/clock';

/** Some ten milliseconds of work. */
const PER_TURN = 32;
/** The loop takes one new connection a turn: where many come, turns are to be short. */
const PER_SHORT_TURN = 8;
const MANY = 128;
/** Fewer are no queue: after a pause of the machine there are always some who waited long. */
const QUEUE_MIN = 32;

/** To send so many away takes as long as to begin one: those who are served have at least half of the time. */
const AWAY_PER_BEGUN = 4;
/** As long as health may wait for a turn. */
const AWAY_PER_TURN = 256;
/** So many are taken before their places are given back. */
const SLICE = 1_024;

interface Waiting {
  readonly since: number;
  readonly begin: () => void;
}

export class Turns {
  readonly #queueMs: number;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #waiting = new Fifo<Waiting>();
  readonly #away = new Fifo<() => void>();
  #begun = 0;
  #turning = false;

  /** `queueMs`: how long the first in the queue may have waited before new work is too much. */
  constructor(queueMs: number, nextTurn = onNextTurn) {
    this.#queueMs = queueMs;
    this.#nextTurn = nextTurn;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether who comes now would wait too long; `nowMs` is the monotonic clock's. */
  isBehind(nowMs: number): boolean {
    return this.waiting >= QUEUE_MIN && nowMs - (this.#waiting.first?.since ?? nowMs) > this.#queueMs;
  }

  /** Whether a request may begin at once, which is counted; otherwise it has to `wait`. */
  isFree(): boolean {
    if (this.waiting > 0 || this.#begun >= PER_TURN) return false;
    this.#begun++;
    this.#turnLater();
    return true;
  }

  /** Calls `begin` when its turn comes; in order. */
  wait(since: number, begin: () => void): void {
    this.#waiting.push({ since, begin });
    this.#turnLater();
  }

  /**
   * Calls `answer` at the end of a turn, for one who does not come in. Not at once, because a connection that is answered while the
   * loop still looks at its connections is looked at again: with many of them a turn would not end.
   */
  sendAway(answer: () => void): void {
    this.#away.push(answer);
    this.#turnLater();
  }

  #turnLater(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#nextTurn(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#turning = false;
    const away = Math.min(this.#away.size, AWAY_PER_TURN);
    const most = this.#waiting.size > MANY ? PER_SHORT_TURN : PER_TURN;
    this.#begun = Math.min(this.#waiting.size, Math.max(most, Math.ceil(away / AWAY_PER_BEGUN)));
    // Each by itself: what one does at once is done before the next begins.
    for (let count = 0; count < this.#begun; count++) this.#nextTurn(this.#beginFirst);
    for (let count = 0; count < away; count++) this.#away.take()?.();
    if (this.#begun > 0 || this.#away.size > 0) this.#turnLater();
  };

  readonly #beginFirst = (): void => this.#waiting.take()?.begin();
}

class Fifo<Item> {
  /** Taken from `#from` on. */
  #items: Item[] = [];
  #from = 0;

  get size(): number {
    return this.#items.length - this.#from;
  }

  get first(): Item | undefined {
    return this.#items[this.#from];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    const item = this.#items[this.#from++];
    if (this.#from >= SLICE || this.#from >= this.#items.length) {
      this.#items = this.#items.slice(this.#from);
      this.#from = 0;
    }
    return item;
  }
}
