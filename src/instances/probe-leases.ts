/**
 * What holds for all is probed by one instance for all, be it an exhausted quota or an open circuit: when the wait is over, whoever gets
 * the lease lets calls through, and the others hold back until it was served, or until the lease has run out. A lease has a number (a
 * fencing token): one that has run out ends nobody else's. Where Redis is away, each instance goes on when its own wait is over.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import type { Logger } from '#contract/logger';
import type { RedisPort } from '#redis/index';
import type { Breaker, BreakerRegistry } from '#resilience/index';
import { endLease, NUMBERS, takeLease } from './scripts.ts';

/** A probe that brings nothing in this time leaves the turn to another. */
const LEASE_MS = 5_000;
/** Over the wait, until Redis has said who probes; then it goes without. */
const HOLD_MS = 500;
/** Asked a little apart, so that not all ask at one moment. */
const SPREAD_MS = 100;

/** What is held back, and how. */
export interface Gate {
  /** In the lease's name in Redis. */
  readonly name: string;
  hold(breaker: Breaker, waitMs: number): void;
  /** This instance may try. */
  release(breaker: Breaker): void;
  /** It holds no longer, for anybody. */
  end(breaker: Breaker): void;
}

export const quotaGate: Gate = {
  name: 'probe',
  hold: (breaker, waitMs) => breaker.holdBack(waitMs),
  release: (breaker) => breaker.endHold(),
  end: (breaker) => breaker.endThrottle(),
};

export const circuitGate: Gate = {
  name: 'recovery',
  hold: (breaker, waitMs) => breaker.openFor(waitMs),
  release: (breaker) => breaker.endWait(),
  end: (breaker) => breaker.recover(),
};

export interface LeaseParts {
  readonly redis: RedisPort;
  readonly breakers: BreakerRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class ProbeLeases {
  readonly #gate: Gate;
  readonly #parts: LeaseParts;
  readonly #tellRecovered: (key: string) => void;
  readonly #waiting = new Map<string, Timer>();
  readonly #held = new Map<string, number>();

  constructor(gate: Gate, parts: LeaseParts, tellRecovered: (key: string) => void) {
    this.#gate = gate;
    this.#parts = parts;
    this.#tellRecovered = tellRecovered;
  }

  /** For `waitMs` nothing may go to this upstream, as was seen here or at a peer. */
  holdBack(key: string, waitMs: number): void {
    const token = this.#held.get(key);
    this.#held.delete(key);
    if (token !== undefined) void this.#end(key, token);
    this.#wait(key, waitMs);
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
    this.#with(key, (breaker) => this.#gate.end(breaker));
  }

  close(): void {
    for (const timer of this.#waiting.values()) timer.cancel();
  }

  #with(key: string, act: (breaker: Breaker) => void): void {
    const breaker = this.#parts.breakers.find(key);
    if (breaker !== undefined) act(breaker);
  }

  #wait(key: string, waitMs: number): void {
    const { clock, random } = this.#parts;
    this.#with(key, (breaker) => this.#gate.hold(breaker, waitMs + HOLD_MS));
    this.#waiting.get(key)?.cancel();
    this.#waiting.set(
      key,
      clock.schedule(waitMs + SPREAD_MS * random.next(), () => this.#ask(key)),
    );
  }

  #ask(key: string): void {
    const { redis, logger } = this.#parts;
    this.#waiting.delete(key);
    redis.run(takeLease, [this.#leaseOf(key), NUMBERS], [LEASE_MS]).then(
      (reply) => {
        const [token = 0, heldMs = 0] = Array.isArray(reply) ? reply.map(Number) : [];
        if (token === 0) return this.#wait(key, heldMs);
        this.#held.set(key, token);
        this.#with(key, (breaker) => this.#gate.release(breaker));
      },
      (error: unknown) => logger.debug('probe-lease-unknown', { reason: messageOf(error) }),
    );
  }

  async #end(key: string, token: number): Promise<boolean> {
    const { redis, logger } = this.#parts;
    try {
      return Number(await redis.run(endLease, [this.#leaseOf(key)], [token])) === 1;
    } catch (error) {
      logger.debug('probe-lease-not-ended', { reason: messageOf(error) });
      return false;
    }
  }

  #leaseOf(key: string): string {
    return `revoagent:breakers:${this.#gate.name}:${key}`;
  }
}
