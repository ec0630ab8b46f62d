/**
 * One cache library doing one thing, in a process of its own: `node bench/subjects/caches.ts <subject> <milliseconds> [<url of Redis>
 * [<milliseconds to warm up>]]` prints operations a second; `hung` prints the 99th percentile of cold calls, in milliseconds, while Redis is
 * stopped by its caller; `large` that of the event loop's delay while 5 MB values come from a factory, go to Redis where they may, and come back.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisDriver } from 'bentocache/drivers/redis';
import { createCache as createCacheManager } from 'cache-manager';
import { Cacheable, Keyv } from 'cacheable';
import { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { connectRedis, createCache, RedisTier } from '#cache/index';
import type { Cache, TierLimits } from '#cache/index';
import { waitFor } from '../../tests/helpers/hub-process.ts';

type Call = (key: string) => Promise<unknown>;

interface Subject {
  /** Keys that are asked for in turn; 0: a new one for every call. */
  readonly keys: number;
  readonly callers: number;
  make(url: string): Promise<Call>;
}

const MEMORY_KEYS = 1_000;
const REDIS_KEYS = 20_000;
const CALLERS = 64;
const TTL_MS = 3_600_000;
const BATCH = 1_000;
const HUNG_CALLS = 400;

const value = {
  id: 'chat-7',
  model: 'a-model',
  choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(400) } }],
};
const factory = async (): Promise<object> => value;

/** A rate is measured without the deadlines of the house: on a busy machine they would open a breaker, and count calls of the factory. */
const PATIENT = { readMs: 5_000, writeMs: 5_000 };

async function ours(url: string | undefined, memoryTtlMs: number, limits: Partial<TierLimits> = {}): Promise<Cache> {
  const tiers = url === undefined ? [] : [new RedisTier(connectRedis({ url }), { namespace: 'bench', limits })];
  const cache = createCache({
    namespace: 'bench',
    tiers,
    memory: { ttlMs: memoryTtlMs },
    defaults: { ttlMs: TTL_MS, swrMs: 0, staleOnErrorMs: 0 },
  });
  for (const tier of tiers) await waitFor(() => tier.position().catch(() => undefined));
  return cache;
}

/** What the other libraries' adapters do, on the same client as ours. */
function keyvOn(url: string): Keyv {
  const redis = new Redis(url);
  const store = {
    get: (key: string) => redis.get(key),
    set: (key: string, text: string, ttl?: number) => redis.set(key, text, 'PX', ttl ?? TTL_MS),
    delete: async (key: string) => (await redis.del(key)) === 1,
    clear: async () => undefined,
  };
  return new Keyv({ store, useKeyPrefix: false });
}

const throughOurs =
  (cache: Cache): Call =>
  (key) =>
    cache.getOrSet(key, factory);
const throughCacheable =
  (cache: Cacheable): Call =>
  (key) =>
    cache.getOrSet(key, factory, { ttl: TTL_MS });
const throughBento =
  (cache: BentoCache<{ one: ReturnType<typeof bentostore> }>): Call =>
  (key) =>
    cache.getOrSet({ key, factory, ttl: TTL_MS });
const bento = (store: ReturnType<typeof bentostore>): Call =>
  throughBento(new BentoCache({ default: 'one', stores: { one: store } }));
const throughManager = (stores?: Keyv[]): Call => {
  const cache = createCacheManager({ ttl: TTL_MS, ...(stores && { stores }) });
  return (key) => cache.wrap(key, factory);
};

const memory = (make: () => Promise<Call>): Subject => ({ keys: MEMORY_KEYS, callers: 1, make });
const hit = (make: Subject['make']): Subject => ({ keys: REDIS_KEYS, callers: CALLERS, make });
const miss = (make: Subject['make']): Subject => ({ keys: 0, callers: CALLERS, make });

const onRedis: Readonly<Record<string, Subject['make']>> = {
  'revoagent/cache': async (url) => throughOurs(await ours(url, 0, PATIENT)),
  bentocache: async (url) => bento(bentostore().useL2Layer(redisDriver({ connection: new Redis(url) }))),
  cacheable: async (url) => throughCacheable(new Cacheable({ primary: keyvOn(url) })),
  'cache-manager': async (url) => throughManager([keyvOn(url)]),
};

const rawHit = async (url: string): Promise<Call> => {
  const redis = new Redis(url);
  const text = JSON.stringify(value);
  for (let key = 0; key < REDIS_KEYS; key++) await redis.set(`raw:key-${key}`, text);
  return async (key) => JSON.parse((await redis.get(`raw:${key}`)) ?? 'null');
};

const subjects: Readonly<Record<string, Subject>> = {
  'memory hit, revoagent/cache': memory(async () => throughOurs(await ours(undefined, TTL_MS))),
  // Its quickest form: values are not copied, and its bound is a number of entries.
  'memory hit, bentocache': memory(async () =>
    bento(bentostore().useL1Layer(memoryDriver({ serialize: false, maxItems: 10 * MEMORY_KEYS }))),
  ),
  'memory hit, cacheable': memory(async () => throughCacheable(new Cacheable())),
  'memory hit, cache-manager': memory(async () => throughManager()),
  'memory hit, lru-cache and its fetch alone': memory(async () => {
    const cache = new LRUCache<string, object>({ max: 10 * MEMORY_KEYS, ttl: TTL_MS, fetchMethod: () => value });
    return (key) => cache.fetch(key);
  }),
  'Redis hit, GET and JSON.parse alone': hit(rawHit),
  ...Object.fromEntries(Object.entries(onRedis).map(([name, make]) => [`Redis hit, ${name}`, hit(make)])),
  ...Object.fromEntries(Object.entries(onRedis).map(([name, make]) => [`miss and factory, ${name}`, miss(make)])),
};

async function callsPerSecond(
  { keys, callers }: Subject,
  call: Call,
  times: { forMs: number; warmUpMs: number },
): Promise<number> {
  let made = 0;
  const unique = process.hrtime.bigint().toString(36);
  const names = Array.from({ length: keys }, (_, key) => `key-${key}`);
  const next = (): string => names[made++ % keys] ?? `miss-${unique}-${made}`;
  for (let from = 0; from < keys; from += CALLERS) await Promise.all(names.slice(from, from + CALLERS).map(call));
  const load = async (ms: number): Promise<number> => {
    const from = made;
    const startedAt = performance.now();
    const caller = async (): Promise<void> => {
      while (performance.now() < startedAt + ms) for (let each = 0; each < BATCH / callers; each++) await call(next());
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return ((made - from) * 1_000) / (performance.now() - startedAt);
  };
  await load(times.warmUpMs);
  return load(times.forMs);
}

async function hung(url: string): Promise<number> {
  const cache = await ours(url, TTL_MS);
  await cache.getOrSet('warm', factory);
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
  const times: number[] = [];
  for (let call = 0; call < HUNG_CALLS; call++) {
    const startedAt = performance.now();
    await cache.getOrSet(`cold-${call}`, factory);
    times.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return times.toSorted((a, b) => a - b)[Math.floor(HUNG_CALLS * 0.99)] ?? NaN;
}

/** JSON bytes of a value: past what memory and Redis take, and just beneath what Redis takes. */
const LARGE_BYTES = { most: 5 * 1024 * 1024, stored: 3.9 * 1024 * 1024 };
const LARGE_CALLS = 40;

async function large(url: string): Promise<number> {
  const cache = await ours(url, 0, PATIENT);
  const ofBytes = (bytes: number): object => ({ parts: Array.from({ length: bytes / 1024 }, () => 'x'.repeat(1021)) });
  const values = [ofBytes(LARGE_BYTES.most), ofBytes(LARGE_BYTES.stored)];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let call = 0; call < LARGE_CALLS; call++) {
    const made = values[call % 2];
    await cache.getOrSet(`large-${call}`, () => made);
    await cache.getOrSet(`large-${call}`, () => made);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return delay.percentile(99) / 1e6;
}

const alone: Readonly<Record<string, (url: string) => Promise<number>>> = { hung, large };
const [name = '', forMs = '300', url = '', warmUpMs = forMs] = process.argv.slice(2);
const subject = subjects[name];
const measure = alone[name];
if (measure === undefined && subject === undefined)
  throw new Error(`no subject ${name}; there are ${Object.keys(subjects).join(', ')}`);
const figure =
  subject === undefined
    ? await measure?.(url)
    : await callsPerSecond(subject, await subject.make(url), { forMs: Number(forMs), warmUpMs: Number(warmUpMs) });
process.send?.(figure);
process.exit();
