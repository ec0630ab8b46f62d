/** Finds out that nobody is there: a ping that the other side did not answer by the next one, or a socket that nobody uses. */
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '#core/clock';

interface KeepAliveParts {
  readonly socket: WebSocket;
  readonly clock: Clock;
  readonly pingMs: number;
  readonly idleMs: number;
  /** Something runs: the socket is in use. */
  readonly busy: () => boolean;
  /** So much waits for the reader that a ping would not reach him: he is judged by what he takes. */
  readonly blocked: () => boolean;
  readonly onDead: () => void;
}

export class KeepAlive {
  readonly #parts: KeepAliveParts;
  #pingTimer: Timer;
  #idleTimer: Timer;
  #unanswered = false;
  #heardAt: number;

  constructor(parts: KeepAliveParts) {
    const { socket, clock, pingMs, idleMs } = parts;
    this.#parts = parts;
    this.#heardAt = clock.now();
    this.#pingTimer = clock.schedule(pingMs, () => this.#ping());
    this.#idleTimer = clock.schedule(idleMs, () => this.#judge());
    socket.on('pong', () => void (this.#unanswered = false));
  }

  /** The socket was used: a message came, or a run ended. */
  heard(): void {
    this.#unanswered = false;
    this.#heardAt = this.#parts.clock.now();
  }

  close(): void {
    this.#pingTimer.cancel();
    this.#idleTimer.cancel();
  }

  #ping(): void {
    const { socket, clock, pingMs, blocked, onDead } = this.#parts;
    if (blocked()) this.#unanswered = false;
    else if (this.#unanswered) {
      onDead();
      return;
    } else if (socket.readyState === socket.OPEN) {
      this.#unanswered = true;
      socket.ping();
    }
    this.#pingTimer = clock.schedule(pingMs, () => this.#ping());
  }

  #judge(): void {
    const { clock, idleMs, busy, onDead } = this.#parts;
    const leftMs = busy() ? idleMs : this.#heardAt + idleMs - clock.now();
    if (leftMs <= 0) onDead();
    else this.#idleTimer = clock.schedule(leftMs, () => this.#judge());
  }
}
