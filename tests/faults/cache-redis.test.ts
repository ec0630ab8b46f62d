/**
 * A real Redis that hangs, dies, is not there, comes back empty or is full, under caches that go on. Their clock is virtual, so that
 * a deadline is a deadline whatever this machine is busy with; connections live in real time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { connectRedis, createCache, RedisTier } from '#cache/index';
import type { Cache, CacheEvent, RedisPort } from '#cache/index';
import { seededRandom } from '#core/random';
import { waitFor } from '../helpers/hub-process.ts';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { settle, VirtualClock } from '../helpers/virtual-clock.ts';

const READ_MS = 40;
const WRITE_MS = 100;

/** One step of the clock: shorter than every deadline, so that an answer that is on its way is never late. */
const STEP_MS = 20;

interface Instance {
  readonly cache: Cache;
  readonly events: CacheEvent[];
}

interface Lab {
  readonly redis: TestRedis;
  readonly clock: VirtualClock;
  instance(): Promise<Instance>;
  /** Until every instance's connection is there, in real time: the clock stands still. */
  connected(): Promise<void>;
  /** Moves the clock on, no faster than Redis answers, until it is so. While it hangs, nobody waits for its answers. */
  until(what: () => boolean | Promise<boolean>): Promise<void>;
  /** Until the instance has been answered by Redis. */
  answered(instance: Instance): Promise<void>;
  hang(): void;
  wake(): void;
}

function instanceOn(port: RedisPort, clock: VirtualClock): Instance {
  const events: CacheEvent[] = [];
  const cache = createCache({
    namespace: 'faults',
    tiers: [new RedisTier(port, { namespace: 'faults' })],
    clock,
    random: seededRandom(1),
    defaults: { jitter: 0, earlyRefreshFrom: 1, ttlMs: 600_000 },
    memory: { ttlMs: 300_000 },
    onEvent: (event) => events.push(event),
  });
  return { cache, events };
}

async function openLab(t: TestContext): Promise<Lab> {
  const redis = await startRedis();
  t.after(() => redis.close());
  const clock = new VirtualClock();
  const asked = new Set<Promise<unknown>>();
  let hangs = false;
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await clock.advance(STEP_MS);
      if (!hangs) await Promise.allSettled(asked);
    }
  };
  const ports: RedisPort[] = [];
  const watched = (): RedisPort => {
    const port = connectRedis({ url: redis.url });
    ports.push(port);
    return {
      ...port,
      run(...call) {
        const reply = port.run(...call);
        asked.add(reply);
        const forget = (): void => void asked.delete(reply);
        reply.then(forget, forget);
        return reply;
      },
    };
  };
  const until: Lab['until'] = async (what) => {
    await waitFor(async () => {
      await pass(500);
      return (await what()) ? true : undefined;
    });
  };
  const answered: Lab['answered'] = async ({ events }) => {
    const from = events.length;
    await until(() => events.slice(from).some((each) => each.kind === 'operation' && each.outcome === 'ok'));
    await until(() => !isOpen({ events }));
  };
  return {
    redis,
    clock,
    until,
    answered,
    async connected() {
      for (const port of ports)
        await waitFor(() =>
          port.run({ name: 'ping', lua: 'return 1' }, [], []).then(
            () => true,
            () => undefined,
          ),
        );
    },
    async instance() {
      const { cache, events } = instanceOn(watched(), clock);
      t.after(() => cache.close());
      return { cache, events };
    },
    hang() {
      hangs = true;
      redis.stop();
    },
    wake() {
      hangs = false;
      redis.cont();
    },
  };
}

async function openReadyLab(t: TestContext): Promise<Lab & { one: Instance; other: Instance }> {
  const lab = await openLab(t);
  const [one, other] = [await lab.instance(), await lab.instance()];
  await lab.answered(one);
  await lab.answered(other);
  return { ...lab, one, other };
}

/** The value, once nothing but the clock is waited for. */
async function within<T>(clock: VirtualClock, ms: number, work: Promise<T>): Promise<T> {
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  await clock.advance(ms);
  assert.ok(done, `not done within ${ms} ms`);
  return ended;
}

const outcomes = ({ events }: Instance): string[] =>
  events.flatMap((each) => (each.kind === 'operation' ? [each.outcome] : []));

const isOpen = ({ events }: Pick<Instance, 'events'>): boolean =>
  events.findLast((each) => each.kind === 'tier-opened' || each.kind === 'tier-closed')?.kind === 'tier-opened';

const isThere = async ({ redis }: Lab, what: string): Promise<boolean> =>
  (await redis.command('EXISTS', `revoagent:cache:faults:${what}`)) === 1;

describe('Redis hangs', () => {
  it('no caller waits longer than the read deadline, none fails, and soon none waits at all', async (t) => {
    const lab = await openReadyLab(t);
    const { clock, one } = lab;
    lab.hang();
    const cold = Array.from({ length: 100 }, (_, each) => one.cache.getOrSet(`cold:${each}`, () => each));
    await settle();
    const values = await within(clock, READ_MS + 1, Promise.all(cold));
    assert.deepEqual(values, [...values.keys()]);
    assert.ok(one.events.some((each) => each.kind === 'tier-opened'));
    assert.equal(
      await within(
        clock,
        0,
        one.cache.getOrSet('then', () => 'made'),
      ),
      'made',
    );
    assert.ok(outcomes(one).includes('timeout') && outcomes(one).includes('refused'));
  });

  it('a delete ends after the write deadline, holds here at once, and everywhere once it answers again', async (t) => {
    const lab = await openReadyLab(t);
    const { clock, one, other } = lab;
    await one.cache.set('k', 'old');
    // The announcement of the write may come after a read, and takes what that kept: one read must outlast a turn of the loop.
    await lab.until(async () => {
      const kept = other.cache.peek('k') === 'old';
      return (await other.cache.getOrSet('k', () => 'not made')) === 'old' && kept;
    });
    lab.hang();
    await within(clock, WRITE_MS + 1, one.cache.delete('k'));
    assert.equal(
      await within(
        clock,
        READ_MS + 1,
        one.cache.getOrSet('k', () => 'new'),
      ),
      'new',
    );
    assert.equal(other.cache.peek('k'), 'old', 'which cannot know yet');
    lab.wake();
    await lab.until(() => other.cache.peek('k') === undefined);
    assert.equal(await isThere(lab, 'e:k'), false, 'nor is it in Redis');
    await lab.answered(other);
    assert.equal(await other.cache.getOrSet('k', () => 'new'), 'new');
  });
});

describe('Redis is killed', () => {
  it('callers go on, and when it comes back empty memory is marked stale and Redis filled again', async (t) => {
    const lab = await openReadyLab(t);
    const { clock, redis, one } = lab;
    await one.cache.set('k', 'old');
    await redis.kill();
    assert.equal(await one.cache.getOrSet('k', () => 'unused'), 'old');
    assert.equal(
      await within(
        clock,
        READ_MS + 1,
        one.cache.getOrSet('cold', () => 'made'),
      ),
      'made',
    );
    await redis.restart();
    await lab.until(() => one.events.some((each) => each.kind === 'bus-gap' && each.replayed === 'marked stale'));
    assert.equal(one.cache.peek('k'), undefined);
    await lab.answered(one);
    assert.equal(await one.cache.getOrSet('k', () => 'new'), 'new');
    await lab.until(() => isThere(lab, 'e:k'));
  });

  it('for long: once it is there again it is used within five seconds, by those who are asked and those who are not', async (t) => {
    const lab = await openReadyLab(t);
    const { clock, redis, one, other } = lab;
    await redis.kill();
    for (const { cache } of [one, other])
      await Promise.all(Array.from({ length: 5 }, (_, each) => cache.getOrSet(`first:${each}`, () => each)));
    // Its circuits are open for as long as they ever are.
    for (let second = 0; second < 60; second++) {
      await one.cache.getOrSet(`cold:${second}`, () => second);
      await clock.advance(1_000);
    }
    for (const { events } of [one, other]) assert.ok(events.some((each) => each.kind === 'tier-opened'));
    await redis.restart();
    await lab.connected();
    const since = clock.now();
    await lab.until(() => !isOpen(one));
    await lab.until(() => !isOpen(other));
    assert.ok(clock.now() - since <= 5_000, `after ${clock.now() - since} ms`);
    await one.cache.set('k', 'kept');
    assert.equal(await isThere(lab, 'e:k'), true);
  });

  it('while a fill is under way: its value reaches the caller, and is not stored behind the flush', async (t) => {
    const lab = await openReadyLab(t);
    const value = Promise.withResolvers<string>();
    const filling = lab.one.cache.getOrSet('k', () => value.promise);
    await waitFor(async () => ((await isThere(lab, 'l:k')) ? true : undefined));
    await lab.redis.restart();
    value.resolve('made');
    assert.equal(await filling, 'made');
    await lab.answered(lab.one);
    assert.equal(await isThere(lab, 'e:k'), false);
  });
});

it('Redis is not there at the start: callers are served, and it is used as soon as it comes', async (t) => {
  const lab = await openLab(t);
  await lab.redis.kill();
  const { cache, events } = await lab.instance();
  assert.equal(
    await within(
      lab.clock,
      READ_MS + 1,
      cache.getOrSet('k', () => 1),
    ),
    1,
  );
  await within(lab.clock, WRITE_MS + 1, cache.delete('other'));
  await lab.redis.restart();
  await lab.answered({ cache, events });
  await lab.until(() => events.some((each) => each.kind === 'outbox' && each.waiting === 0));
  await cache.set('k', 2);
  assert.equal(await isThere(lab, 'e:k'), true);
});

it('Redis is out of memory: hits are served, new values reach callers, invalidations arrive, it stays trusted', async (t) => {
  const lab = await openReadyLab(t);
  const { redis, one, other } = lab;
  await one.cache.set('k', 'old', { tags: ['t'] });
  await one.cache.set('kept', 'kept');
  assert.equal(await other.cache.getOrSet('k', () => 'not made'), 'old');
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await redis.command('CONFIG', 'SET', 'maxmemory', 1);
  assert.equal(await other.cache.getOrSet('kept', () => 'not made'), 'kept');
  for (let each = 0; each < 20; each++) {
    assert.equal(await one.cache.getOrSet(`cold:${each}`, () => each), each);
    await one.cache.set(`set:${each}`, each);
  }
  await one.cache.deleteTag('t');
  await lab.until(() => other.cache.peek('k') === undefined);
  assert.equal(await other.cache.getOrSet('k', () => 'new'), 'new');
  for (const { events } of [one, other]) assert.ok(!events.some((each) => each.kind === 'tier-opened'));
  assert.equal(await isThere(lab, 'e:cold:1'), false);
  assert.equal(await isThere(lab, 'l:cold:1'), false, 'nobody waits for what was made long ago');
});

it('an entry whose header is not whole is a miss, and spoils no other that is asked for with it', async (t) => {
  const lab = await openReadyLab(t);
  const { redis, one, other } = lab;
  for (const key of ['users:1', 'users:2']) await one.cache.set(key, 'kept', { tags: ['team'] });
  const at = 'revoagent:cache:faults:e:users:1';
  const whole = String(await redis.command('GET', at));
  await redis.command('SET', at, whole.replace('["p:users:"', '["p:users:'));
  const both = ['users:1', 'users:2'].map((key) => other.cache.getOrSet(key, () => 'made'));
  assert.deepEqual(await Promise.all(both), ['made', 'kept']);
});

it('announcements that a subscriber was cut off from are replayed, as often as it takes', async (t) => {
  const lab = await openReadyLab(t);
  const { redis, one, other } = lab;
  await redis.command('ACL', 'SETUSER', 'default', '-subscribe');
  await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  for (let round = 0; round < 2; round++) {
    await one.cache.set('k', 'old');
    assert.equal(await other.cache.getOrSet('k', () => 'not made'), 'old');
    await one.cache.delete('k');
    await lab.until(() => other.cache.peek('k') === undefined);
  }
  assert.ok(other.events.some((each) => each.kind === 'bus-gap' && each.replayed !== 'marked stale'));
  assert.ok(!other.events.some((each) => each.kind === 'bus-gap' && each.replayed === 'marked stale'));
});
