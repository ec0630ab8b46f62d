/**
 * One rate limiter in a process of its own: `node bench/subjects/limiters.ts <who> <job as JSON>`. The job `rate` sends how many calls a
 * second it admits; `exact` asks at a steady pace from the word go and sends the times at which it was let in.
 */
import { randomUUID } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
import fastify from 'fastify';
import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import { Limiter } from '#limits/index';
import { LimitExceededError } from '#contract/limits';
import { connectRedis } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { BreakerRegistry } from '#resilience/index';
import { waitFor } from '../../tests/helpers/hub-process.ts';

/** Whether the call for the key is let in; or, where the limiter tells it, when, in milliseconds of Redis's clock, which is this machine's. */
type Ask = (key: string) => Promise<boolean | number>;

export interface LimiterJob {
  readonly kind: 'rate' | 'exact';
  /** Null: in memory. */
  readonly url: string | null;
  readonly limit: number;
  readonly windowMs: number;
  readonly forMs: number;
  readonly everyMs: number;
}

const KEYS = 1_000;
const CALLERS = 64;
const BATCH = 500;
const nothing = (): void => undefined;

const makers: Readonly<Record<string, (job: LimiterJob) => Promise<Ask>>> = {
  'this hub': async ({ url, limit, windowMs }) => {
    const none = { default: {}, named: {} };
    const port = url === null ? null : connectRedis({ url });
    const redis = port === null ? null : timed(port);
    if (redis !== null)
      await waitFor(() => redis.run({ name: 'ping', lua: `return 'up'` }, [], []).catch(() => undefined));
    const breakers = new BreakerRegistry({ clock: systemClock, random: systemRandom });
    const limiter = new Limiter({
      settings: {
        organisations: none,
        projects: none,
        keys: { default: { requestsPerMinute: limit }, named: {} },
        agents: none,
        routes: none,
        leaseMs: 30_000,
      },
      shared:
        redis === null || port === null ? null : { redis: { ...port, ...redis }, breaker: breakers.get('limits') },
      instances: { liveInstances: () => 10 },
      incarnation: randomUUID(),
      spend: { read: async () => new Map(), add: async () => undefined },
      clock: systemClock,
      logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
      observer: { limitDecided: nothing, limitStoreAsked: nothing },
      windowMs,
    });
    const callers = new Map<string, { keyId: string; projectId: string; scopes: Set<'chat'> }>();
    const callerOf = (keyId: string) => {
      const known = callers.get(keyId) ?? { keyId, projectId: 'prj', scopes: new Set(['chat'] as const) };
      callers.set(keyId, known);
      return known;
    };
    let calls = 0;
    return async (key) => {
      const call = { caller: callerOf(key), agent: null, route: null, id: String(++calls) };
      try {
        const admission = await limiter.admit({ ...call, estimate: () => ({ tokens: 0, microUsd: 0 }) });
        admission?.settle(null);
        return redis?.decidedAt() ?? true;
      } catch (error) {
        if (error instanceof LimitExceededError) return false;
        throw error;
      }
    };
  },
  'rate-limiter-flexible': async ({ url, limit, windowMs }) => {
    const options = { points: limit, duration: windowMs / 1_000 };
    const limiter =
      url === null
        ? new RateLimiterMemory(options)
        : new RateLimiterRedis({ ...options, storeClient: await connected(url) });
    return (key) =>
      limiter.consume(key).then(
        () => true,
        (thrown: unknown) => {
          if (thrown instanceof RateLimiterRes) return false;
          throw thrown;
        },
      );
  },
  '@fastify/rate-limit': async ({ url, limit, windowMs }) => {
    const app = fastify();
    const redis = url === null ? {} : { redis: await connected(url) };
    const options = { max: limit, timeWindow: windowMs, keyGenerator: ({ id }: { id: string }) => id, ...redis };
    await app.register(rateLimit, { ...options, global: false, cache: KEYS * 2 });
    await app.ready();
    const check = app.createRateLimit();
    return async (key) => {
      const answer = await check({ id: key, routeOptions: { config: {} } } as Parameters<typeof check>[0]);
      return answer.isAllowed || !answer.isExceeded;
    };
  },
};

/** The time of the last decision; replies that come together share one, which is a millisecond's difference at most. */
function timed(port: RedisPort): Pick<RedisPort, 'run'> & { decidedAt(): number } {
  let at = 0;
  return {
    async run(script, keys, args) {
      const reply = await port.run(script, keys, args);
      if (script.name === 'limits-reserve') at = Number((reply as number[][][])[0]?.[0]?.[1]);
      return reply;
    },
    decidedAt: () => at,
  };
}

async function connected(url: string): Promise<Redis> {
  const redis = new Redis(url);
  await redis.ping();
  return redis;
}

/** Calls a second, of callers who ask again as soon as they are answered. */
async function rate(ask: Ask, forMs: number): Promise<number> {
  const loop = async (until: number): Promise<number> => {
    let done = 0;
    const caller = async (number: number): Promise<void> => {
      while (performance.now() < until)
        for (let each = 0; each < BATCH / CALLERS; each++) {
          if ((await ask(`key-${(number * 31 + done) % KEYS}`)) === false) throw new Error('a call was refused');
          done++;
        }
    };
    await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)));
    return done;
  };
  await loop(performance.now() + forMs);
  const startedAt = performance.now();
  const done = await loop(startedAt + forMs);
  return (done / (performance.now() - startedAt)) * 1_000;
}

/** When it was let in, in milliseconds of this machine's clock. */
async function exact(ask: Ask, { forMs, everyMs }: LimiterJob): Promise<number[]> {
  const times: number[] = [];
  const waiting = new Set<Promise<void>>();
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    let asked = 0;
    const timer = setInterval(() => {
      const now = performance.now() - startedAt;
      for (; asked * everyMs <= now; asked++) {
        const call = ask('one').then((letIn) => {
          if (letIn !== false) times.push(letIn === true ? performance.timeOrigin + performance.now() : letIn);
        });
        waiting.add(call);
        void call.finally(() => waiting.delete(call));
      }
      if (now < forMs) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  await Promise.all(waiting);
  return times;
}

const [who = '', text = ''] = process.argv.slice(2);
const job = JSON.parse(text) as LimiterJob;
const make = makers[who];
if (make === undefined) throw new Error(`There is no limiter "${who}".`);
const ask = await make(job);
if (job.kind === 'exact') {
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
}
process.send?.(job.kind === 'rate' ? await rate(ask, job.forMs) : await exact(ask, job), () => process.exit(0));
