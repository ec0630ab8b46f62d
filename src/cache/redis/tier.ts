/**
 * Redis as a tier: entries, leases, marks and the log of invalidations of one namespace. Every operation is one script, so that
 * each happens wholly or not at all. Where Redis is out of memory nothing new is stored, and invalidations still are.
 */
import { messageOf } from '#core/errors';
import type { RedisArgument, RedisPort, Script } from '#redis/index';
import { checkNamespace } from '../key.ts';
import { lifeMs, marksOf } from '../tier.ts';
import type {
  Acquired,
  AcquireRequest,
  Announcement,
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

  constructor(port: RedisPort, { namespace, name = 'redis', limits = {} }: RedisTierOptions) {
    const base = `revoagent:cache:${checkNamespace(namespace)}:`;
    this.#port = port;
    this.name = name;
    this.limits = { ...LIMITS, ...limits };
    this.#channel = `${base}bus`;
    this.#keys = [base];
  }

  async acquire(request: AcquireRequest): Promise<Acquired<Uint8Array>> {
    const { key, tags, token, leaseMs, freshShare } = request;
    const marks = marksJson(key, tags);
    const reply = asList(await this.#run(ACQUIRE, key, token, Math.ceil(leaseMs), freshShare, marks));
    const [kind, value, ageMs, judgement, epoch, number] = reply;
    const entry = value instanceof Uint8Array ? parseEntry(value, Number(ageMs), Number(judgement) === 1) : undefined;
    if (kind === 0 && entry !== undefined) return { kind: 'hit', entry };
    if (kind !== 1) return { kind: 'missed', stale: entry };
    return { kind: 'leased', ticket: { token, stamp: `${asText(epoch)} ${Number(number)}` }, stale: entry };
  }

  async put(key: string, entry: Entry<Uint8Array>, { token, stamp }: Ticket): Promise<boolean> {
    const [epoch = '', number = ''] = stamp.split(' ');
    const life = lifeLeft(entry);
    if (life <= 0) {
      await this.release(key, token);
      return false;
    }
    try {
      const marks = marksJson(key, entry.tags);
      return (await this.#run(PUT, key, token, epoch, number, headerOf(key, entry), entry.payload, life, marks)) === 1;
    } catch (error) {
      // It answers, and has no room: that is no reason to stop asking it.
      if (isOutOfMemory(error)) return false;
      throw error;
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
      await this.#run(SET, key, origin, headerOf(key, entry), entry.payload, life, marksJson(key, entry.tags));
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

  #run(script: Script, ...args: RedisArgument[]): Promise<unknown> {
    return this.#port.run(script, this.#keys, args);
  }
}

const NEWLINE = 0x0a;

/** Every mark but that of everything, which lies in `meta`. */
function marksJson(key: string, tags: readonly string[]): string {
  return JSON.stringify(marksOf(key, tags).slice(1));
}

function lifeLeft(entry: Entry<unknown>): number {
  return Math.floor(lifeMs(entry) - entry.ageMs);
}

/** Read by the scripts up to the marks; the tags behind them are for `parseEntry`. */
function headerOf(key: string, entry: Entry<unknown>): string {
  const { ttlMs, swrMs, staleOnErrorMs, bytes, computeMs, tags } = entry;
  const numbers = [ttlMs, lifeMs(entry), swrMs, staleOnErrorMs, bytes, computeMs].map((each) => Math.floor(each));
  return `${numbers.join(' ')} ${tags.length} ${marksJson(key, tags)}`;
}

function parseEntry(value: Uint8Array, ageMs: number, expired: boolean): Entry<Uint8Array> | undefined {
  const end = value.indexOf(NEWLINE);
  const header = Buffer.from(value.buffer, value.byteOffset, Math.max(end, 0)).toString();
  const parts = /^.\d+ \S+ (\d+) \d+ (\d+) (\d+) (\d+) (\d+) (\d+) (\[.*\])$/.exec(header);
  if (parts === null) return undefined;
  const [ttlMs = 0, swrMs = 0, staleOnErrorMs = 0, bytes = 0, computeMs = 0, tagCount = 0] = parts
    .slice(1, 7)
    .map(Number);
  const marks: unknown = tagCount === 0 ? [] : JSON.parse(parts[7] ?? '[]');
  const tags = Array.isArray(marks) && tagCount > 0 ? marks.slice(-tagCount).map((mark) => String(mark).slice(2)) : [];
  return { ttlMs, swrMs, staleOnErrorMs, bytes, computeMs, ageMs, expired, tags, payload: value.subarray(end + 1) };
}

function asList(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

function asText(reply: unknown): string {
  return reply instanceof Uint8Array ? Buffer.from(reply).toString() : String(reply);
}

function isOutOfMemory(error: unknown): boolean {
  return messageOf(error).startsWith('OOM');
}
