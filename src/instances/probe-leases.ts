/**
 * An exhausted quota is probed by one instance for all: when the wait is over, whoever gets the lease lets calls through, and the others
 * hold back until it was served, or until the lease has run out. A lease has a number (a fencing token): one that has run out ends
 * nobody else's. Where Redis is away, each instance goes on when its own wait is over.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import type { Logger } from '#contract/logger';
import type { RedisPort } from '#redis/index';
import type { BreakerRegistry } from '#resilience/index';
import { endLease, NUMBERS, takeLease } from './scripts.ts';

/** A probe that brings nothing in this time leaves the turn to another. */
const LEASE_MS = 5_000;
/** Over the wait, until Redis has said who probes; then it goes without. */
const HOLD_MS = 500;
/** Asked a little apart, so that not all ask at one moment. */
const SPREAD_MS = 100;

export interface LeaseParts {
  readonly redis: RedisPort;
  readonly breakers: BreakerRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class ProbeLeases {
  readonly #parts: LeaseParts;
  readonly #tellRecovered: (key: string) => void;
  readonly #waiting = new Map<string, Timer>();
  readonly #held = new Map<string, number>();

  constructor(parts: LeaseParts, tellRecovered: (key: string) => void) {
    this.#parts = parts;
    this.#tellRecovered = tellRecovered;
  }

  /** The quota of this upstream is used up for `waitMs`, as it said here or to a peer. */
  exhausted(key: string, waitMs: number): void {
    const token = this.#held.get(key);
    this.#held.delete(key);
    if (token !== undefined) void this.#end(key, token);
    this.#holdBack(key, waitMs);
  }

  /** It served a call of this instance. */
  served(key: string): void {
    const token = this.#held.get(key);
    if (token === undefined) return;
    this.#held.delete(key);
    void this.#end(key, token).then((mine) => {
      if (mine) this.#tellRecovered(key);
    });
  }

  /** It served a call of a peer. */
  recovered(key: string): void {
    this.#waiting.get(key)?.cancel();
    this.#waiting.delete(key);
    this.#parts.breakers.find(key)?.endThrottle();
  }

  close(): void {
    for (const timer of this.#waiting.values()) timer.cancel();
  }

  #holdBack(key: string, waitMs: number): void {
    const { breakers, clock, random } = this.#parts;
    breakers.find(key)?.holdBack(waitMs + HOLD_MS);
    this.#waiting.get(key)?.cancel();
    this.#waiting.set(
      key,
      clock.schedule(waitMs + SPREAD_MS * random.next(), () => this.#ask(key)),
    );
  }

  #ask(key: string): void {
    const { redis, breakers, logger } = this.#parts;
    this.#waiting.delete(key);
    redis.run(takeLease, [leaseOf(key), NUMBERS], [LEASE_MS]).then(
      (reply) => {
        const [token = 0, heldMs = 0] = Array.isArray(reply) ? reply.map(Number) : [];
        if (token === 0) return this.#holdBack(key, heldMs);
        this.#held.set(key, token);
        breakers.find(key)?.endHold();
      },
      (error: unknown) => logger.debug('probe-lease-unknown', { reason: messageOf(error) }),
    );
  }

  async #end(key: string, token: number): Promise<boolean> {
    const { redis, logger } = this.#parts;
    try {
      return Number(await redis.run(endLease, [leaseOf(key)], [token])) === 1;
    } catch (error) {
      logger.debug('probe-lease-not-ended', { reason: messageOf(error) });
      return false;
    }
  }
}

function leaseOf(key: string): string {
  return `revoagent:breakers:probe:${key}`;
}
