/**
 * Reservations in Redis: what the journal on disk is to an instance whose disk goes with it. An attempt is written here before it goes
 * out and leaves when its row is in the database; what a dead instance leaves behind, another writes. Bounded; asked with a deadline;
 * where it does not answer in time the journal on disk takes the attempt.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf, UnavailableError } from '#core/errors';
import { within } from '#core/within';
import type { Random } from '#core/random';
import type { Guard } from '#contract/guard';
import type { UsageDispatch, UsageRecord } from '#contract/ledger';
import type { Logger } from '#contract/logger';
import { createConvoy, RedisNotSentError } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { isRow, parseReservation } from './lines.ts';
import { interrupted } from './replay.ts';
import { beatOwner, forget, put, scan, takeDead } from './reservation-scripts.ts';

const OWNERS = 'revoagent:ledger:owners';
const BEAT_MS = 2_000;
/** Far longer than a stall: who takes over too early writes rows that have to be mended. */
const LIFE_MS = 10_000;
/** Longest that an attempt waits for Redis before it goes out. */
const RESERVE_MS = 100;
/** Of one instance: under way, or settled and not in the database. About 30 MB. */
const RESERVED_MAX = 50_000;
/** For one dead instance; another may go on after it. */
const TAKING_MS = 30_000;
const SCAN_ROWS = 500;
/** Rows end together, and are forgotten together. */
const FORGET_MS = 100;

export interface ReservationParts {
  /** Of this process alone. */
  readonly incarnation: string;
  readonly redis: RedisPort;
  readonly guard: Guard;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ReservationEvents {
  /** Redis came back without what was in it. */
  readonly lost: () => void;
  /** Resolves with whether all of these rows are in the database or refused by it. */
  readonly write: (rows: readonly UsageRecord[]) => Promise<boolean>;
}

/** `unsent`: Redis will not have it. `unknown`: it may. */
export type Reserving = 'kept' | 'unsent' | 'unknown';

export class Reservations {
  readonly #parts: ReservationParts;
  readonly #hash: string;
  #events: ReservationEvents | undefined;
  #known = false;
  #adopting = false;
  #timer: Timer | undefined;
  readonly #released = new Set<string>();
  readonly #together = createConvoy<UsageDispatch, unknown>((dispatches) => this.#reserve(dispatches));

  constructor(parts: ReservationParts) {
    this.#parts = parts;
    this.#hash = hashOf(parts.incarnation);
  }

  begin(events: ReservationEvents): void {
    this.#events = events;
    this.#beatAndGoOn();
  }

  /** Whether it is worth asking: Redis knows that this instance lives. */
  get usable(): boolean {
    return this.#known;
  }

  /** Resolves within a tenth of a second, or as long as another takes that it goes with; never rejects. */
  async reserve(dispatch: UsageDispatch): Promise<Reserving> {
    try {
      await this.#together(dispatch);
      return 'kept';
    } catch (error) {
      this.#parts.logger.debug('attempt-not-reserved', { reason: messageOf(error) });
      // The circuit's word, or the connection's.
      return error instanceof UnavailableError || error instanceof RedisNotSentError ? 'unsent' : 'unknown';
    }
  }

  #reserve(dispatches: readonly UsageDispatch[]): Promise<readonly unknown[]> {
    const { guard, clock } = this.#parts;
    return guard.run(async (signal) => {
      const taken = await within({ clock, limitMs: RESERVE_MS, signal }, () => this.#put(dispatches));
      if (taken.includes(0)) throw new Error('there is no room for all of them');
      return taken;
    });
  }

  /** What became of them, for whoever finds them, and again what Redis has lost. While it is away they are known as interrupted. */
  async keep(entries: readonly (UsageDispatch | UsageRecord)[]): Promise<void> {
    try {
      for (let at = 0; at < entries.length; at += SCAN_ROWS) await this.#put(entries.slice(at, at + SCAN_ROWS));
    } catch (error) {
      this.#parts.logger.debug('reservations-not-kept', { reason: messageOf(error) });
    }
  }

  /** Their rows are in the database. Forgotten in batches, again after Redis was away. */
  release(id: string): void {
    this.#released.add(id);
    if (this.#released.size === 1) this.#parts.clock.schedule(FORGET_MS, () => void this.forgetReleased());
  }

  async forgetReleased(): Promise<void> {
    const ids = [...this.#released].slice(0, SCAN_ROWS);
    if (ids.length === 0) return;
    try {
      await this.#parts.redis.run(forget, [this.#hash], ids);
      for (const id of ids) this.#released.delete(id);
    } catch (error) {
      // Tried again with the next beat; a row is written once whoever writes it.
      this.#parts.logger.debug('reservations-not-forgotten', { reason: messageOf(error) });
      return;
    }
    if (this.#released.size > 0) await this.forgetReleased();
  }

  /** Rows of this instance itself that memory has given up. Resolves with whether all are written. */
  replayOwn(skips: (id: string) => boolean): Promise<boolean> {
    return this.#replay(this.#hash, skips);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.forgetReleased();
  }

  /** For each whether it was taken, 1 or 0. */
  async #put(entries: readonly (UsageDispatch | UsageRecord)[]): Promise<readonly unknown[]> {
    const args = entries.flatMap((entry) => [entry.id, textOf(entry)]);
    const taken = await this.#parts.redis.run(put, [this.#hash], [RESERVED_MAX, ...args]);
    if (!Array.isArray(taken) || taken.length !== entries.length)
      throw new Error('Redis answered a reservation of attempts with something else.');
    return taken as readonly unknown[];
  }

  #beatAndGoOn(): void {
    const { clock, random, redis, incarnation, logger } = this.#parts;
    this.#timer = clock.schedule(BEAT_MS * (0.9 + 0.2 * random.next()), () => this.#beatAndGoOn());
    redis.run(beatOwner, [OWNERS], [incarnation, LIFE_MS]).then(
      (isNew) => {
        const lost = this.#known && Number(isNew) === 1;
        this.#known = true;
        if (lost) this.#events?.lost();
        void this.forgetReleased();
        this.#adoptDead();
      },
      (error: unknown) => logger.debug('ledger-owner-unknown', { reason: messageOf(error) }),
    );
  }

  #adoptDead(): void {
    if (this.#adopting) return;
    this.#adopting = true;
    this.#adopt()
      .catch((error: unknown) => this.#parts.logger.warn('reservations-not-adopted', { reason: messageOf(error) }))
      .finally(() => (this.#adopting = false));
  }

  async #adopt(): Promise<void> {
    const { redis, incarnation, logger } = this.#parts;
    for (;;) {
      const dead = await redis.run(takeDead, [OWNERS], [incarnation, TAKING_MS]);
      if (!(dead instanceof Uint8Array)) return;
      const owner = Buffer.from(dead).toString();
      if (!(await this.#replay(hashOf(owner), () => false))) return;
      await redis.run(forget, [hashOf(owner), OWNERS], [owner]);
      logger.info('reservations-adopted', { owner });
    }
  }

  async #replay(hash: string, skips: (id: string) => boolean): Promise<boolean> {
    const { redis, logger } = this.#parts;
    let cursor = '0';
    do {
      const reply = await redis.run(scan, [hash], [cursor, SCAN_ROWS]);
      const [next = '0', ...fields] = Array.isArray(reply) ? reply.map(String) : [];
      cursor = next;
      const rows: UsageRecord[] = [];
      const done: string[] = [];
      for (let at = 0; at + 1 < fields.length; at += 2) {
        const id = fields[at] ?? '';
        if (skips(id) || this.#released.has(id)) continue;
        const found = parseReservation(fields[at + 1] ?? '');
        done.push(id);
        if (found === null) logger.warn('reservation-unreadable', { id });
        else rows.push(isRow(found) ? found : interrupted(found));
      }
      if (rows.length > 0 && (await this.#events?.write(rows)) !== true) return false;
      if (done.length > 0) await redis.run(forget, [hash], done);
    } while (cursor !== '0');
    return true;
  }
}

function textOf(entry: UsageDispatch | UsageRecord): string {
  return JSON.stringify(entry);
}

function hashOf(incarnation: string): string {
  return `revoagent:ledger:${incarnation}`;
}
