/**
 * Hears what other instances invalidate, from the nearest tier beneath memory. Announcements are numbered: one that was missed shows
 * in the next one's number, or in the heartbeat, and is replayed from the tier's log. What cannot be replayed any more marks all
 * of memory stale. A tier whose numbers went back came back as it was before, with what was deleted since: it is cleared. While the tier is away, memory's own time limit bounds what it may miss.
 */
import type { Clock, Timer } from '#core/clock';
import type { Random } from '#core/random';
import type { CacheEvent, CacheStats } from './events.ts';
import type { GuardedTier } from './guarded-tier.ts';
import type { MemoryStore } from './memory-store.ts';
import { EVERYTHING } from './tier.ts';
import type { Announcement, Position } from './tier.ts';

const HEARTBEAT_MS = 1_000;
const PROBE_MS = 100;
/** An announcement takes another connection than the heartbeat: it may be on its way. */
const LATE_MS = 50;

export interface BusDependencies {
  readonly guarded: GuardedTier;
  readonly memory: MemoryStore<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: CacheStats;
  readonly tell: (event: CacheEvent) => void;
  /** This instance: what it invalidated itself, it has done already. */
  readonly origin: string;
  /** Has the tier forget all that it holds, and lets nobody read it before it has. */
  readonly distrust: () => void;
}

export class Bus {
  readonly #its: BusDependencies;
  #position: Position | undefined;
  #replaying = false;
  #timer: Timer | undefined;
  #closed = false;

  constructor(dependencies: BusDependencies) {
    this.#its = dependencies;
  }

  start(): void {
    this.#its.guarded.tier.subscribe?.((position, announcement) => this.#hear(position, announcement));
    void this.#beat();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #hear({ epoch }: Position, announcement: Announcement): void {
    if (this.#closed) return;
    const known = this.#position;
    if (known === undefined || known.epoch !== epoch || announcement.number > known.number + 1) {
      this.#apply(announcement);
      if (known !== undefined) void this.#replay();
    } else if (announcement.number === known.number + 1) {
      this.#apply(announcement);
      this.#position = { epoch, number: announcement.number };
    }
  }

  #apply({ name, hard, origin }: Announcement): void {
    if (origin !== this.#its.origin) this.#its.memory.invalidate({ name, hard });
  }

  async #beat(): Promise<void> {
    const { guarded, clock, random } = this.#its;
    const before = this.#position;
    const position = await guarded.position();
    if (this.#closed) return;
    if (position !== undefined) await this.#compare(position, before);
    if (this.#closed) return;
    // Where nobody asks, the heartbeat is the probe: those that are still wanted follow at once.
    const periodMs = guarded.breaker.state.kind === 'half_open' ? PROBE_MS : HEARTBEAT_MS;
    this.#timer = clock.schedule(periodMs * (0.9 + 0.2 * random.next()), () => void this.#beat());
  }

  /** `before`: what was known when the tier was asked, which it cannot be behind of unless it lost something. */
  async #compare(position: Position, before: Position | undefined): Promise<void> {
    if (this.#position === undefined) {
      // What memory took before this, it may have heard nothing about.
      this.#position = position;
      if (this.#its.memory.size > 0) this.#markStale();
      return;
    }
    if (before !== undefined && isEarlier(position, before)) {
      this.#lose(position, before);
      return;
    }
    if (this.#isBehind(position) && this.#its.guarded.tier.subscribe !== undefined)
      await this.#its.clock.sleep(LATE_MS);
    if (this.#isBehind(position)) await this.#replay();
  }

  #isBehind({ epoch, number }: Position): boolean {
    return this.#position !== undefined && (this.#position.epoch !== epoch || this.#position.number < number);
  }

  async #replay(): Promise<void> {
    const from = this.#position;
    if (from === undefined || this.#replaying || this.#closed) return;
    this.#replaying = true;
    try {
      const replay = await this.#its.guarded.since(from);
      // No answer: the next heartbeat tries again.
      if (replay === undefined || this.#closed) return;
      const missed = replay?.announcements.filter(({ number }) => number > (this.#position?.number ?? 0)) ?? [];
      if (replay === null) {
        const position = await this.#its.guarded.position();
        if (position === undefined) return;
        this.#lose(position, from);
        return;
      }
      for (const each of missed) this.#apply(each);
      if (this.#isBehind(replay.position)) this.#position = replay.position;
      if (missed.length > 0 && this.#its.guarded.tier.subscribe !== undefined) this.#gap(missed.length);
    } finally {
      this.#replaying = false;
    }
  }

  /** What was announced after `known` nobody tells any more. */
  #lose(position: Position, known: Position): void {
    this.#position = position;
    // A snapshot, or a replica that had not heard the last of its primary: it holds what was deleted since.
    if (isEarlier(position, known)) this.#its.distrust();
    this.#markStale();
  }

  #markStale(): void {
    this.#its.memory.invalidate({ name: EVERYTHING, hard: false });
    this.#gap('marked stale');
  }

  #gap(replayed: number | 'marked stale'): void {
    this.#its.stats.busGaps++;
    this.#its.tell({ kind: 'bus-gap', replayed });
  }
}

function isEarlier(one: Position, other: Position): boolean {
  return one.epoch === other.epoch ? one.number < other.number : beganAt(one) < beganAt(other);
}

/** NaN, which is before and after nothing, where the tier does not tell. */
function beganAt({ epoch }: Position): number {
  const [, seconds, micros] = /^(\d{1,10})\.(\d{1,6})$/.exec(epoch) ?? [];
  return Number(seconds) * 1_000_000 + Number(micros);
}
