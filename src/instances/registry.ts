/**
 * This instance among the others: it writes itself down in Redis once a second, reads who else does, and is gone from there when it
 * ends, or within five seconds when it is killed. Nobody ever waits for Redis here: what was last read is answered.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import type { Instance, Instances, InstancesSource } from '#contract/instances';
import type { Logger } from '#contract/logger';
import type { RedisPort } from '#redis/index';
import { beat } from './scripts.ts';

const KEY = 'revoagent:instances';
const BEAT_MS = 1_000;
/** A killed instance is gone from the lists of all after this, a beat and the jitter of one. */
const LIFE_MS = 3_500;
const JITTER = 0.1;
/** Far more than any number that serves together; a list is no place for a flood. */
const INSTANCES_MAX = 1_000;

export interface RegistryParts {
  /** Of this process alone, whatever its name: two that were given one name are still two. */
  readonly incarnation: string;
  readonly self: Omit<Instance, 'address' | 'draining'>;
  /** Null: this instance is alone. */
  readonly redis: RedisPort | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Redis answers again, or for the first time. */
  readonly onReachable: () => void;
}

export class InstanceRegistry implements Instances {
  readonly #parts: RegistryParts;
  #self: Instance;
  #others: readonly Instance[] = [];
  /** Others that are counted with; fewer are believed only when that was so for the time of a life. */
  #counted = 0;
  #fewerSince: number | null = null;
  #reached = false;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#self = { ...parts.self, address: '', draining: false };
  }

  get self(): string {
    return this.#self.id;
  }

  get source(): InstancesSource {
    if (this.#parts.redis === null) return 'alone';
    return this.#reached ? 'shared' : 'away';
  }

  liveInstances(): number {
    return 1 + this.#counted;
  }

  list(): readonly Instance[] {
    return [this.#self, ...this.#others];
  }

  /** It serves at this address from now on, and says so at once. */
  begin(address: string): void {
    this.#self = { ...this.#self, address };
    this.#beatAndGoOn();
  }

  /** It takes no new connections any more. */
  drain(): void {
    this.#self = { ...this.#self, draining: true };
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#beatAndGoOn();
  }

  /** Takes it off the list, where Redis answers. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    await this.#beat('').catch((error: unknown) =>
      this.#parts.logger.debug('instance-not-signed-off', { reason: messageOf(error) }),
    );
  }

  #beatAndGoOn(): void {
    if (this.#parts.redis === null || this.#closed) return;
    const { clock, random, logger } = this.#parts;
    this.#timer = clock.schedule(BEAT_MS * (1 + JITTER * random.next()), () => this.#beatAndGoOn());
    this.#beat(JSON.stringify(this.#self)).then(
      (live) => this.#read(live),
      (error: unknown) => {
        if (this.#reached) logger.warn('instances-unknown', { reason: messageOf(error) });
        this.#reached = false;
      },
    );
  }

  #beat(text: string): Promise<unknown> {
    const { redis, incarnation } = this.#parts;
    if (redis === null) return Promise.resolve([]);
    return redis.run(beat, [KEY], [incarnation, LIFE_MS, text]);
  }

  #read(live: unknown): void {
    const { incarnation, onReachable } = this.#parts;
    const others = new Map<string, Instance>();
    for (const [field, , text] of triplesOf(live)) {
      const instance = field === incarnation ? null : parseInstance(text);
      if (instance === null) continue;
      // One that was started again at the same place stands for the one that it follows.
      const place = `${instance.id} ${instance.address}`;
      const known = others.get(place);
      if (known === undefined || known.startedWallMs < instance.startedWallMs) others.set(place, instance);
    }
    others.delete(`${this.#self.id} ${this.#self.address}`);
    this.#others = [...others.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const first = !this.#reached;
    this.#reached = true;
    this.#count(first);
    if (first) onReachable();
  }

  /**
   * A Redis that comes back empty learns of the instances one by one: whoever reads it first would take himself to be alone, and allow all
   * of a limit that is divided among them.
   */
  #count(first: boolean): void {
    const { length } = this.#others;
    const now = this.#parts.clock.now();
    if (first) this.#fewerSince = null;
    if (length < this.#counted) {
      this.#fewerSince ??= now;
      if (now - this.#fewerSince < LIFE_MS) return;
    }
    this.#counted = length;
    this.#fewerSince = null;
  }
}

/** Field, remaining time and text of each, as the scripts answer. */
export function triplesOf(reply: unknown): [string, number, string][] {
  if (!Array.isArray(reply)) return [];
  const triples: [string, number, string][] = [];
  for (let at = 0; at + 2 < reply.length && triples.length < INSTANCES_MAX; at += 3)
    triples.push([String(reply[at]), Number(reply[at + 1]), String(reply[at + 2])]);
  return triples;
}

/** Null for what another version wrote that this one does not understand. */
function parseInstance(text: string): Instance | null {
  const value = parseObject(text);
  if (value === null) return null;
  const { id, address, version, capacity, draining, startedWallMs } = value;
  if (typeof id !== 'string' || typeof address !== 'string' || typeof version !== 'string') return null;
  if (typeof capacity !== 'number' || typeof startedWallMs !== 'number') return null;
  return { id, address, version, capacity, draining: draining === true, startedWallMs };
}

export function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    // Whoever wrote it is no instance of ours.
    return null;
  }
}
