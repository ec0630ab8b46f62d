/** Says in the database, for all turns under way in this process together, that somebody works on them: a turn of a dead process is broken. */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { ConversationStore } from '#contract/conversations';
import type { Logger } from '#contract/logger';

/** How long a turn outlives the process that works on it. */
export const LEASE_MS = 30_000;
const EXTEND_MS = 10_000;

interface LeaseParts {
  readonly conversations: Pick<ConversationStore, 'extendTurns'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Leases {
  readonly #parts: LeaseParts;
  /** As many as there are requests in flight at most. */
  readonly #turns = new Set<string>();
  #timer: Timer | undefined;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  hold(turnId: string): void {
    this.#turns.add(turnId);
    this.#arm();
  }

  release(turnId: string): void {
    this.#turns.delete(turnId);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer ??= this.#parts.clock.schedule(EXTEND_MS, () => {
      this.#timer = undefined;
      if (this.#turns.size > 0) void this.#extend();
    });
  }

  /** A database that is away for a moment costs nothing: the next one extends again. */
  async #extend(): Promise<void> {
    const { conversations, clock, logger } = this.#parts;
    try {
      await conversations.extendTurns([...this.#turns], clock.wallMs() + LEASE_MS);
    } catch (thrown) {
      logger.warn('turns-not-extended', { turns: this.#turns.size, reason: messageOf(thrown) });
    }
    if (this.#turns.size > 0) this.#arm();
  }
}
