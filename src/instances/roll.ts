/**
 * The instances in the database too, for the time in which Redis does not answer: one that starts just then learns here by how many a
 * limit is to be divided, in place of taking itself to be alone. Written every ten seconds, and every second while Redis is away; one that
 * was killed counts for half a minute yet. Nobody waits for it but a start.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import type { Instances, InstanceStore, LiveInstances } from '#contract/instances';
import type { Logger } from '#contract/logger';

const TICK_MS = 1_000;
const JITTER = 0.1;
const BEAT_MS = 10_000;
/** One beat may be lost. */
const LIFE_MS = 30_000;

export interface RollParts {
  readonly incarnation: string;
  /** What Redis says, and whether it does. */
  readonly registry: Pick<Instances, 'source' | 'liveInstances'>;
  readonly store: InstanceStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class InstanceRoll implements LiveInstances {
  readonly #parts: RollParts;
  #live = 1;
  #beatenAt = Number.NEGATIVE_INFINITY;
  #beating: Promise<void> | null = null;
  #timer: Timer | undefined;

  constructor(parts: RollParts) {
    this.#parts = parts;
  }

  /** The greater number while Redis is away: too small a share is the safe mistake. */
  liveInstances(): number {
    const { registry } = this.#parts;
    const known = registry.liveInstances();
    return registry.source === 'away' ? Math.max(known, this.#live) : known;
  }

  /** Resolves when the others have been counted, or cannot be; never rejects. */
  async begin(): Promise<void> {
    await this.#beat();
    this.#goOn();
  }

  /** Takes it off, where the database answers. */
  async close(): Promise<void> {
    const { store, incarnation, logger } = this.#parts;
    this.#timer?.cancel();
    await this.#beating;
    await store
      .leave(incarnation)
      .catch((error: unknown) => logger.debug('instance-not-left', { reason: messageOf(error) }));
  }

  #goOn(): void {
    const { clock, random, registry } = this.#parts;
    this.#timer = clock.schedule(TICK_MS * (1 + JITTER * random.next()), () => {
      if (registry.source === 'away' || clock.now() - this.#beatenAt >= BEAT_MS) void this.#beat();
      this.#goOn();
    });
  }

  /** One at a time, also where the database takes long. */
  #beat(): Promise<void> {
    const { store, incarnation, clock, logger } = this.#parts;
    if (this.#beating !== null) return this.#beating;
    this.#beatenAt = clock.now();
    this.#beating = store
      .beat(incarnation, LIFE_MS)
      .then((live) => void (this.#live = live))
      .catch((error: unknown) => logger.debug('instances-not-counted', { reason: messageOf(error) }))
      .finally(() => (this.#beating = null));
    return this.#beating;
  }
}
