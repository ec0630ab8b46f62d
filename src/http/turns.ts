/**
 * The queue before the hub's work. A turn of the event loop begins so many requests and no more, and the rest wait for the next: so a
 * turn stays short whatever arrives; health is answered, and connections are taken, between two of them. How many wait, and how long
 * it took of late until one began, says how long a newcomer would wait (Little's law): where that is too long, none comes in.
 */
import type { Clock, Timer } from '#core/clock';
import { onNextTurn } from '#core/clock';
import { Fifo } from '#core/fifo';

/** Some ten milliseconds of work. */
const PER_TURN = 32;
/** The loop takes one new connection a turn: where many come, turns are to be short. */
const PER_SHORT_TURN = 8;
const MANY = 128;
/** Fewer are no queue, however slow the machine. */
const QUEUE_MIN = 32;
/** Before anything is known. */
const FIRST_GUESS_MS = 0.2;
/** Of a new measurement in what is known, and how much more than that it may be: a pause of the process says nothing of what comes. */
const WEIGHT = 1 / 16;
const JUMP_MAX = 4;

/** To send so many away takes as long as to begin one: those who are served have at least half of the time. */
const AWAY_PER_BEGUN = 3;
/** As long as health may wait for a turn. */
const AWAY_PER_TURN = 256;
/** From here on they are answered at once, so that a connection that sends without end is not read without end. */
const AWAY_MAX = 4_096;
/**
 * Whoever is told that there is too much to do is told so after so long. At once he would come again at once, or a balancer would give his
 * place to the next, and the time would go into refusals; while he waits he takes no time at all.
 */
const HOLD_MS = 1_000;
/** Those who are held are looked at so far apart at least. */
const HOLD_GRAIN_MS = 10;

export class Turns {
  readonly #clock: Pick<Clock, 'now' | 'schedule'>;
  readonly #queueMs: number;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #waiting = new Fifo<() => void>();
  readonly #away = new Fifo<() => void>();
  /** All are held equally long: the first is due first. */
  readonly #held = new Fifo<{ readonly answer: () => void; readonly dueAt: number }>();
  #holding: Timer | undefined;
  #released = false;
  #begun = 0;
  #turning = false;
  /** From one that begins to the next, while others wait. */
  #apartMs = FIRST_GUESS_MS;
  /** When the last turn began some of many. */
  #turnAt: number | null = null;

  /** `queueMs`: so long may a newcomer have to wait; infinite: any time. */
  constructor(clock: Pick<Clock, 'now' | 'schedule'>, queueMs: number, nextTurn = onNextTurn) {
    this.#clock = clock;
    this.#queueMs = queueMs;
    this.#nextTurn = nextTurn;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether who comes now would wait more than so many times what he may. */
  isBehind(times = 1): boolean {
    return this.waiting >= QUEUE_MIN && this.waiting * this.#apartMs > this.#queueMs * times;
  }

  /** Whether a request may begin at once, which is counted; otherwise it has to `wait`. */
  isFree(): boolean {
    if (this.waiting > 0 || this.#begun >= PER_TURN) return false;
    this.#begun++;
    this.#turnLater();
    return true;
  }

  /** Calls `begin` when its turn comes; in order. */
  wait(begin: () => void): void {
    this.#waiting.push(begin);
    this.#turnLater();
  }

  /**
   * Calls `answer` at the end of a turn, for one who does not come in. Not at once, because a connection that is answered while the
   * loop still looks at its connections is looked at again: with many of them a turn would not end.
   */
  sendAway(answer: () => void): void {
    if (this.#away.size >= AWAY_MAX) {
      answer();
      return;
    }
    this.#away.push(answer);
    this.#turnLater();
  }

  #turnLater(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#nextTurn(this.#onTurn);
  }

  /** As `sendAway`, a second later, for one who would only come back. */
  holdAndSendAway(answer: () => void): void {
    if (this.#released || this.#held.size >= AWAY_MAX) {
      this.sendAway(answer);
      return;
    }
    this.#held.push({ answer, dueAt: this.#clock.now() + HOLD_MS });
    this.#holding ??= this.#clock.schedule(HOLD_MS, this.#onDue);
  }

  /** Nobody is held any more, and who is held is answered. */
  release(): void {
    this.#released = true;
    this.#holding?.cancel();
    this.#onDue();
  }

  readonly #onDue = (): void => {
    this.#holding = undefined;
    const now = this.#clock.now();
    for (let first = this.#held.first; first !== undefined; first = this.#held.first) {
      if (!this.#released && first.dueAt > now) {
        this.#holding = this.#clock.schedule(Math.max(HOLD_GRAIN_MS, first.dueAt - now), this.#onDue);
        return;
      }
      this.#held.take();
      this.sendAway(first.answer);
    }
  };

  readonly #onTurn = (): void => {
    this.#turning = false;
    this.#measure();
    const away = Math.min(this.#away.size, AWAY_PER_TURN);
    const most = this.#waiting.size > MANY ? PER_SHORT_TURN : PER_TURN;
    this.#begun = Math.min(this.#waiting.size, Math.max(most, Math.ceil(away / AWAY_PER_BEGUN)));
    // Each by itself: what one does at once is done before the next begins.
    for (let count = 0; count < this.#begun; count++) this.#nextTurn(this.#beginFirst);
    for (let count = 0; count < away; count++) this.#away.take()?.();
    if (this.#begun > 0 || this.#away.size > 0) this.#turnLater();
  };

  readonly #beginFirst = (): void => this.#waiting.take()?.();

  /** The turn that ends here, where it had to leave some for the next. */
  #measure(): void {
    const now = this.waiting > 0 ? this.#clock.now() : null;
    if (now !== null && this.#turnAt !== null && this.#begun > 0) {
      const apartMs = Math.min((now - this.#turnAt) / this.#begun, this.#apartMs * JUMP_MAX);
      this.#apartMs += (apartMs - this.#apartMs) * WEIGHT;
    }
    this.#turnAt = now;
  }
}
