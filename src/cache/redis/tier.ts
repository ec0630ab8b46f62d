/**
 * Redis as a tier: entries, leases, marks and the log of invalidations of one namespace. Every operation is one script, so that
 * each happens wholly or not at all. Where Redis is out of memory nothing new is stored, and invalidations still are.
 */
import { bufferOf } from '#core/buffers';
import { messageOf } from '#core/errors';
import { createBatch } from '#redis/index';
import type { RedisArgument, RedisPort, Script } from '#redis/index';
import { checkNamespace } from '../key.ts';
import { tierLimits } from '../options.ts';
import { lifeMs, marksOf } from '../tier.ts';
import type {
  Acquired,
  AcquireRequest,
  Announcement,
  Awaitable,
  Entry,
  Invalidation,
  Position,
  Ticket,
  Tier,
  TierLimits,
} from '../tier.ts';
import { ACQUIRE, INVALIDATE, POSITION, PUT, RELEASE, RENEW, SET, SINCE } from './scripts.ts';

export interface RedisTierOptions {
  /** Names the keys, `revoagent:cache:<namespace>:…`; the cache's own, so that two caches on one Redis never meet. */
  readonly namespace: string;
  readonly name?: string;
  readonly limits?: Partial<TierLimits>;
}

const LIMITS: TierLimits = Object.freeze({ readMs: 40, writeMs: 100, inFlightMax: 512 });

/** The tier owns the port: it closes it. */
export class RedisTier implements Tier {
  readonly name: string;
  readonly limits: TierLimits;
  readonly #port: RedisPort;
  readonly #keys: readonly string[];
  readonly #channel: string;
  readonly #acquire = createBatch((requests: readonly AcquireRequest[]) => this.#acquireAll(requests));
  readonly #put = createBatch(
    (puts: readonly Put[]) => this.#putAll(puts),
    ({ entry }) => entry.payload.length,
  );

  constructor(port: RedisPort, { namespace, name = 'redis', limits }: RedisTierOptions) {
    const base = `revoagent:cache:${checkNamespace(namespace)}:`;
    this.#port = port;
    this.name = name;
    this.limits = tierLimits(LIMITS, limits);
    this.#channel = `${base}bus`;
    this.#keys = [base];
  }

  acquire(request: AcquireRequest): Promise<Acquired<Uint8Array>> {
    return this.#acquire(request);
  }

  async put(key: string, entry: Entry<Uint8Array>, ticket: Ticket): Promise<boolean> {
    const life = lifeLeft(entry);
    if (life <= 0) {
      await this.release(key, ticket.token);
      return false;
    }
    try {
      return await this.#put({ key, entry, ticket, life });
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      // It answers, and has no room: that is no reason to stop asking it, nor for others to wait for what will not be there.
      await this.release(key, ticket.token);
      return false;
    }
  }

  async renew(key: string, token: string, leaseMs: number): Promise<boolean> {
    return (await this.#run(RENEW, key, token, Math.ceil(leaseMs))) === 1;
  }

  async release(key: string, token: string): Promise<void> {
    await this.#run(RELEASE, key, token);
  }

  async set(key: string, entry: Entry<Uint8Array>, origin: string): Promise<void> {
    const invalidation = { name: `k:${key}`, hard: true };
    const life = lifeLeft(entry);
    if (life <= 0) return this.invalidate([invalidation], origin);
    try {
      const marks = marksJson(key, entry.tags);
      await this.#run(SET, key, origin, ageOf(entry), headerOf(entry, marks), entry.payload, life, marks);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      // The new value finds no room, but the old one must not stay.
      await this.invalidate([invalidation], origin);
    }
  }

  async invalidate(invalidations: readonly Invalidation[], origin: string): Promise<void> {
    const pairs = invalidations.flatMap(({ name, hard }) => [hard ? 1 : 0, name]);
    await this.#run(INVALIDATE, origin, ...pairs);
  }

  async position(): Promise<Position> {
    const [epoch, number] = asList(await this.#run(POSITION));
    return { epoch: asText(epoch), number: Number(number) };
  }

  async since(from: Position): Promise<{ position: Position; announcements: Announcement[] } | undefined> {
    const reply = await this.#run(SINCE, from.epoch, from.number);
    if (reply === null) return undefined;
    const [epoch, last, ...rest] = asList(reply);
    const announcements: Announcement[] = [];
    for (let at = 0; at + 3 < rest.length; at += 4) {
      const [number, origin, hard, name] = rest.slice(at, at + 4).map(asText);
      announcements.push({ number: Number(number), origin: origin ?? '', hard: hard === '1', name: name ?? '' });
    }
    return { position: { epoch: asText(epoch), number: Number(last) }, announcements };
  }

  subscribe(listener: (position: Position, announcement: Announcement) => void): void {
    this.#port.subscribe(this.#channel, (message) => {
      const parts = /^(\S+) (\d+) (\S+) ([01]) (.*)$/s.exec(message);
      if (parts === null) return;
      const [, epoch = '', digits, origin = '', hard, name = ''] = parts;
      const number = Number(digits);
      listener({ epoch, number }, { number, origin, hard: hard === '1', name });
    });
  }

  close(): void {
    this.#port.close();
  }

  async #acquireAll(requests: readonly AcquireRequest[]): Promise<Awaitable<Acquired<Uint8Array>>[]> {
    const args: RedisArgument[] = [];
    for (const { key, tags, token, leaseMs, leaseMsMax, freshShare } of requests) {
      const lease = `${token} ${Math.ceil(leaseMs)} ${Math.ceil(leaseMsMax)}`;
      args.push(key, freshShare, `${lease} ${marksJson(key, tags)}`);
    }
    const reply = asList(await this.#run(ACQUIRE, ...args));
    const stamp = `${asText(reply[0])} ${Number(reply[1])}`;
    return requests.map((request, index) => {
      const at = 2 + index * 4;
      const [kind, value, ageMs, judgement] = [reply[at], reply[at + 1], reply[at + 2], reply[at + 3]];
      // The first of a call always finds room.
      if (kind === FULL) return this.#acquire(request);
      const entry = value instanceof Uint8Array ? parseEntry(value, Number(ageMs), Number(judgement) === 1) : undefined;
      if (kind === HIT && entry !== undefined) return { kind: 'hit', entry };
      return kind === LEASED
        ? { kind: 'leased', ticket: { token: request.token, stamp }, stale: entry }
        : { kind: 'missed', stale: entry };
    });
  }

  async #putAll(puts: readonly Put[]): Promise<boolean[]> {
    const args: RedisArgument[] = [];
    for (const { key, entry, ticket, life } of puts) {
      const [epoch = '', number = ''] = ticket.stamp.split(' ');
      const marks = marksJson(key, entry.tags);
      args.push(key, ticket.token, epoch, number, ageOf(entry), headerOf(entry, marks), entry.payload, life, marks);
    }
    return asList(await this.#run(PUT, ...args)).map((stored) => stored === 1);
  }

  #run(script: Script, ...args: RedisArgument[]): Promise<unknown> {
    return this.#port.run(script, this.#keys, args);
  }
}

interface Put {
  readonly key: string;
  readonly entry: Entry<Uint8Array>;
  readonly ticket: Ticket;
  readonly life: number;
}

/** Kinds that the script gives, besides that of a miss. */
const HIT = 0;
const LEASED = 1;
const FULL = 3;
const NEWLINE = 0x0a;

/** Every mark but that of everything, which lies in `meta`. */
function marksJson(key: string, tags: readonly string[]): string {
  return JSON.stringify(marksOf(key, tags).slice(1));
}

function lifeLeft(entry: Entry<unknown>): number {
  return Math.floor(lifeMs(entry) - entry.ageMs);
}

function ageOf(entry: Entry<unknown>): number {
  return Math.max(0, Math.round(entry.ageMs));
}

/** Read by the scripts up to the marks; the tags behind them are for `parseEntry`. */
function headerOf(entry: Entry<unknown>, marks: string): string {
  const { ttlMs, swrMs, staleOnErrorMs, bytes, computeMs, tags } = entry;
  const numbers = [ttlMs, swrMs, staleOnErrorMs, bytes, computeMs].map((each) => Math.floor(each));
  return `${numbers.join(' ')} ${tags.length} ${marks}`;
}

function parseEntry(value: Uint8Array, ageMs: number, expired: boolean): Entry<Uint8Array> | undefined {
  const bytes = bufferOf(value);
  const end = bytes.indexOf(NEWLINE);
  const header = bytes.toString('utf8', 0, Math.max(end, 0));
  const parts = /^.\d+ \S+ \d+ (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\[.*\])$/.exec(header);
  if (parts === null) return undefined;
  const tagCount = Number(parts[6]);
  const marks: unknown = tagCount === 0 ? [] : JSON.parse(parts[7] ?? '[]');
  const tags = Array.isArray(marks) && tagCount > 0 ? marks.slice(-tagCount).map((mark) => String(mark).slice(2)) : [];
  return {
    payload: bytes.subarray(end + 1),
    ttlMs: Number(parts[1]),
    swrMs: Number(parts[2]),
    staleOnErrorMs: Number(parts[3]),
    bytes: Number(parts[4]),
    computeMs: Number(parts[5]),
    ageMs,
    expired,
    tags,
  };
}

function asList(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

function asText(reply: unknown): string {
  return reply instanceof Uint8Array ? bufferOf(reply).toString() : String(reply);
}

function isOutOfMemory(error: unknown): boolean {
  return messageOf(error).startsWith('OOM');
}
