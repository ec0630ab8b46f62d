/**
 * What one socket sends. Owns the backpressure: whoever sends waits until the reader took enough, so that nothing more is pulled
 * from an upstream meanwhile. A reader who takes nothing for `stalledMs` while something waits is reported once.
 */
import type { WebSocket } from 'ws';
import type { CancelSignal } from '#core/cancel';
import type { Clock, Timer } from '#core/clock';

interface OutboxParts {
  readonly socket: WebSocket;
  readonly clock: Clock;
  readonly queueBytesMax: number;
  readonly stalledMs: number;
  readonly onSent: () => void;
  readonly onStalled: () => void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  #waiting: (() => void)[] = [];
  #takenAt = 0;
  #timer: Timer | null = null;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  get full(): boolean {
    const { socket, queueBytesMax } = this.#parts;
    return socket.readyState === socket.OPEN && socket.bufferedAmount > queueBytesMax;
  }

  /** Sends now, or nothing where the socket is closing. */
  send(text: string): void {
    const { socket, onSent } = this.#parts;
    if (socket.readyState !== socket.OPEN) return;
    onSent();
    socket.send(text, () => this.#taken());
  }

  /** Resolves when there is room, when the socket ends, or after `wake` where the signal aborted. */
  async room(signal?: CancelSignal): Promise<void> {
    for (;;) {
      if (!this.full || signal?.aborted === true) return;
      this.#watch();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The socket ended: nobody waits any longer. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.wake();
  }

  /** Everybody who waits looks again. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #taken(): void {
    this.#takenAt = this.#parts.clock.now();
    if (!this.full) this.wake();
  }

  #watch(): void {
    if (this.#timer !== null) return;
    this.#takenAt = this.#parts.clock.now();
    this.#arm(this.#parts.stalledMs);
  }

  #arm(delayMs: number): void {
    const { clock, stalledMs, onStalled } = this.#parts;
    this.#timer = clock.schedule(delayMs, () => {
      this.#timer = null;
      if (!this.full) return;
      const leftMs = this.#takenAt + stalledMs - clock.now();
      if (leftMs <= 0) onStalled();
      else this.#arm(leftMs);
    });
  }
}
