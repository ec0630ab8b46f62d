/**
 * Which requests an instance sends away when there are more than it can answer in time. Decides by how long the event loop takes to
 * come round, which is how long a request waits for its turn, and by memory; knows no request. Delay is judged as in CoDel (RFC 8289):
 * the shortest within a window, because a pause of the collector passes by itself and a queue that stands does not. The share that is
 * admitted falls with the excess and rises slowly. No timer while little is in flight.
 */
import type { Clock, Timer } from '#core/clock';

export type Priority = 'vital' | 'continuing' | 'new';
export type Shed = 'event_loop' | 'memory';

export interface LoadShedderOptions {
  readonly clock: Clock;
  /** Of the memory there is, 0 to 1; asked for four times a second at most. */
  readonly memoryShare: () => number;
  /** The loop's time that is too much when it is not gone under in a tenth of a second. Default 200: a hundred callers at once who are all served make a round long too. */
  readonly loopDelayMs?: number;
  /** From here on for want of memory, until it is 0.05 under it. Default 0.9; 1 switches it off. */
  readonly memoryShareMax?: number;
  /** With fewer in flight nothing begins to be turned away: a slow machine is no queue. Default 32. */
  readonly inFlightMin?: number;
}

const SAMPLE_MS = 5;
const WINDOW_MS = 100;
/** In one window at most to this part, at least by this one. */
const FALL_MOST = 0.5;
const FALL_LEAST = 0.9;
const RISE = 1.05;
const RISE_LEAST = 0.01;
/** Some new work always gets in: without any, nothing would show that there is room again, and nothing collects garbage. */
const SHARE_MIN = 0.02;
/** Admitted while memory is short. */
const SHORT_OF_MEMORY = 0.1;
const MEMORY_EASES = 0.05;
const MEMORY_MS = 250;
/** What is under way already is turned away when nearly all new work is. */
const CONTINUING_TIMES = 10;

export class LoadShedder {
  readonly #clock: Clock;
  readonly #memoryShare: () => number;
  readonly #loopDelayMs: number;
  readonly #memoryShareMax: number;
  readonly #inFlightMin: number;
  #loopShare = 1;
  #shortOfMemory = false;
  #memoryDue = Number.NEGATIVE_INFINITY;
  #credit = { new: 0, continuing: 0 };
  #timer: Timer | undefined;
  #sampledAt = 0;
  #windowFrom = 0;
  #shortest = Number.POSITIVE_INFINITY;
  /** Somebody asked since the window began. */
  #asked = false;

  constructor(options: LoadShedderOptions) {
    const { clock, memoryShare, loopDelayMs = 200, memoryShareMax = 0.9, inFlightMin = 32 } = options;
    this.#clock = clock;
    this.#memoryShare = memoryShare;
    this.#loopDelayMs = loopDelayMs;
    this.#memoryShareMax = memoryShareMax;
    this.#inFlightMin = inFlightMin;
  }

  get admittedShare(): number {
    return this.#shortOfMemory ? Math.min(this.#loopShare, SHORT_OF_MEMORY) : this.#loopShare;
  }

  /** Null: it may come in. `inFlight` counts it. */
  admit(priority: Priority, inFlight: number, nowMs: number): Shed | null {
    if (priority === 'vital') return null;
    this.#asked = true;
    if (inFlight >= this.#inFlightMin && this.#timer === undefined) this.#watch(nowMs);
    if (nowMs >= this.#memoryDue) this.#readMemory(nowMs);
    const share = this.admittedShare;
    if (share === 1) return null;
    const credit = this.#credit[priority] + (priority === 'new' ? share : share * CONTINUING_TIMES);
    if (credit < 1) {
      this.#credit[priority] = credit;
      return this.#shortOfMemory && share < this.#loopShare ? 'memory' : 'event_loop';
    }
    this.#credit[priority] = Math.min(credit - 1, 1);
    return null;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #watch(nowMs: number): void {
    this.#sampledAt = nowMs;
    this.#beginWindow(nowMs);
    this.#timer = this.#clock.schedule(SAMPLE_MS, this.#onSample);
  }

  readonly #onSample = (): void => {
    const now = this.#clock.now();
    this.#shortest = Math.min(this.#shortest, now - this.#sampledAt);
    this.#sampledAt = now;
    const ends = now - this.#windowFrom >= WINDOW_MS;
    const idle = ends && !this.#asked;
    if (ends) this.#endWindow(now);
    this.#timer = idle && this.#loopShare === 1 ? undefined : this.#clock.schedule(SAMPLE_MS, this.#onSample);
  };

  #beginWindow(nowMs: number): void {
    this.#windowFrom = nowMs;
    this.#shortest = Number.POSITIVE_INFINITY;
    this.#asked = false;
  }

  #endWindow(nowMs: number): void {
    const share = this.#loopShare;
    if (this.#shortest > this.#loopDelayMs) {
      const fall = Math.min(FALL_LEAST, Math.max(FALL_MOST, this.#loopDelayMs / this.#shortest));
      this.#loopShare = Math.max(SHARE_MIN, share * fall);
    } else if (share < 1 && this.#shortest <= this.#loopDelayMs / 2) {
      this.#loopShare = Math.min(1, Math.max(share * RISE, share + RISE_LEAST));
    }
    this.#beginWindow(nowMs);
  }

  #readMemory(nowMs: number): void {
    this.#memoryDue = nowMs + MEMORY_MS;
    if (this.#memoryShareMax >= 1) return;
    const share = this.#memoryShare();
    this.#shortOfMemory = share >= this.#memoryShareMax - (this.#shortOfMemory ? MEMORY_EASES : 0);
  }
}
