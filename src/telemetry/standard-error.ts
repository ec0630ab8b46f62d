/**
 * Where the log goes: written while the process does other things, many lines at once, and what is left when it exits. A disk that is full
 * and a reader who has gone cost lines, and never the hub: what cannot be written is dropped, and told of by the next that can.
 */
import { write, writeSync } from 'node:fs';
import type { Clock, Timer } from '#core/clock';

/** A write costs as much as many lines do: under load they wait for each other, and never for longer than this. */
const LINES_CHARS = 65_536;
const LINES_MS = 50;
/** After which a pipe that was full is tried again. */
const AGAIN_MS = 100;
/** So much waits for a reader who does not read. */
const WAITING_CHARS_MAX = 16 * 1024 * 1024;
const FULL: ReadonlySet<string | undefined> = new Set(['EAGAIN', 'EBUSY']);

export function standardError(clock: Clock, descriptor = 2): { write(text: string): void } {
  const lines = new Lines(clock, descriptor);
  process.on('beforeExit', () => lines.pass()).on('exit', () => lines.end());
  return lines;
}

class Lines {
  readonly #clock: Clock;
  readonly #descriptor: number;
  #waiting = '';
  /** What is being written, or is to be tried again. */
  #going = Buffer.alloc(0);
  #inFlight = false;
  #timer: Timer | undefined;
  #lostBytes = 0;

  constructor(clock: Clock, descriptor: number) {
    this.#clock = clock;
    this.#descriptor = descriptor;
  }

  write(text: string): void {
    if (this.#waiting.length + text.length > WAITING_CHARS_MAX) {
      this.#lostBytes += Buffer.byteLength(text);
      return;
    }
    this.#waiting += text;
    if (this.#waiting.length >= LINES_CHARS) this.pass();
    else this.#timer ??= this.#clock.schedule(LINES_MS, () => this.pass());
  }

  /** Begins to write what waits, unless that is under way. */
  pass(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#going.length === 0) {
      this.#going = Buffer.from(this.#waiting);
      this.#waiting = '';
    }
    if (this.#inFlight || this.#going.length === 0) return;
    this.#inFlight = true;
    write(this.#descriptor, this.#going, (error, written) => this.#onWritten(error, written));
  }

  /** There is no later. */
  end(): void {
    const rest = [...(this.#inFlight ? [] : [this.#going]), Buffer.from(this.#waiting)];
    try {
      for (const part of rest) for (let at = 0; at < part.length;) at += writeSync(this.#descriptor, part, at);
    } catch {
      // Nobody is left to be told.
      return;
    }
  }

  #onWritten(error: NodeJS.ErrnoException | null, written: number): void {
    this.#inFlight = false;
    if (error === null) {
      this.#going = this.#going.subarray(written);
      this.#tellLost();
    } else if (FULL.has(error.code)) {
      // A process that has nothing else to do is not over, and does not try without a pause.
      this.#timer ??= this.#clock.schedule(AGAIN_MS, () => this.pass(), true);
      return;
    } else {
      this.#lostBytes += this.#going.length;
      this.#going = Buffer.alloc(0);
    }
    if (this.#going.length > 0 || this.#waiting.length >= LINES_CHARS) this.pass();
    else if (this.#waiting !== '') this.#timer ??= this.#clock.schedule(LINES_MS, () => this.pass());
  }

  #tellLost(): void {
    if (this.#lostBytes === 0) return;
    // What came before may have ended within a line.
    this.#waiting = `\n{"level":"error","event":"log-lost","bytes":${this.#lostBytes}}\n${this.#waiting}`;
    this.#lostBytes = 0;
  }
}
