/**
 * Limits over a real Redis that dies, hangs and comes back empty: each instance allows its share meanwhile, and tells what it allowed. The
 * clock is virtual, so that a deadline is a deadline whatever this machine is busy with.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { seededRandom } from '#core/random';
import type { Admission, LimitAmounts, LimitSettings } from '#contract/admission';
import type { SpendStore } from '#contract/limits';
import { LimitExceededError } from '#contract/limits';
import { Limiter } from '#limits/index';
import { connectRedis, RedisNotSentError } from '#redis/index';
import type { RedisPort, Script } from '#redis/index';
import { BreakerRegistry } from '#resilience/index';
import type { Breaker } from '#resilience/index';
import { waitFor } from '../helpers/hub-process.ts';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const INSTANCES = 5;
const TICK_MS = 1_000;
const DEADLINE_MS = 250;
const PING: Script = { name: 'ping', lua: `return 'up'` };
const LEASE_MS = 3_000;

const none = { default: {}, named: {} };
const NONE = { organisations: none, projects: none, agents: none, routes: none };

interface Lab {
  readonly redis: TestRedis;
  readonly spend: SpendStore;
  readonly clock: VirtualClock;
  readonly limiter: Limiter;
  readonly told: string[];
  readonly breaker: Breaker;
  /** The connection is lost when what a call came to is told: before Redis hears of it, or before its answer is heard. */
  readonly cut: { amending: 'before' | 'behind' | null };
  /** Until the connection is known to be lost; it is made again within a moment. */
  hangUp(): Promise<void>;
  /** Until the connection has been made again, and whoever waits for that was told. */
  connected(): Promise<void>;
  /** A call that is let in and under way. */
  begin(estimate: Partial<LimitAmounts>): Promise<Admission>;
  /** Admits, and ends the call with what it used; `over` where it is refused. Without `used` the call stays under way. */
  ask(used?: Partial<LimitAmounts>): Promise<'in' | 'over'>;
  used(): Promise<readonly number[]>;
  left(): Promise<readonly number[]>;
  /** Until the limiter has been answered by Redis again. */
  shared(): Promise<void>;
}

/** `asked`: what Redis has not answered yet. The clock waits for it, where somebody answers. */
function watchedPort(
  port: RedisPort,
): Pick<Lab, 'cut'> & { readonly watched: RedisPort; readonly asked: ReadonlySet<Promise<unknown>> } {
  const cut: Lab['cut'] = { amending: null };
  const run: RedisPort['run'] = async (...call) => {
    const cuts = call[0].name === 'limits-amend' && cut.amending;
    const reply = cuts === 'before' ? undefined : await port.run(...call);
    if (cuts) throw new Error('Connection is closed.');
    return reply;
  };
  const asked = new Set<Promise<unknown>>();
  const watched: RedisPort = {
    ...port,
    run(...call) {
      const reply = run(...call);
      asked.add(reply);
      const forget = (): void => void asked.delete(reply);
      reply.then(forget, forget);
      return reply;
    },
  };
  return { watched, asked, cut };
}

/** Kept as the database keeps it. */
function memorySpend(): SpendStore {
  const spend = new Map<string, number>();
  return {
    read: async (names) => new Map(names.flatMap((name) => (spend.has(name) ? [[name, spend.get(name) ?? 0]] : []))),
    add: async ({ rows }) => {
      for (const { name, microUsd } of rows) spend.set(name, (spend.get(name) ?? 0) + microUsd);
    },
  };
}

async function open(t: TestContext, limits: LimitSettings): Promise<Lab> {
  const redis = await startRedis();
  t.after(() => redis.close());
  return instance(t, limits, { redis, clock: new VirtualClock(), spend: memorySpend() });
}

/** One of several that share these. */
async function instance(
  t: TestContext,
  limits: LimitSettings,
  shared: Pick<Lab, 'redis' | 'clock' | 'spend'>,
): Promise<Lab> {
  const { redis, clock, spend } = shared;
  const port = connectRedis({ url: redis.url });
  t.after(() => port.close());
  const { watched, asked, cut } = watchedPort(port);
  const told: string[] = [];
  const name = randomUUID();
  const tell = (event: string): void => void told.push(event);
  const breakers = new BreakerRegistry({ clock, random: seededRandom(1) });
  const breaker = breakers.get('limits', { openMs: 500, openMsMax: 500, probeSuccesses: 1 });
  const limiter = new Limiter({
    settings: { ...NONE, keys: { default: limits, named: {} }, leaseMs: LEASE_MS },
    shared: { redis: watched, breaker },
    instances: { liveInstances: () => INSTANCES },
    incarnation: name,
    spend,
    clock,
    logger: { debug: tell, info: tell, warn: tell, error: tell },
    observer: { limitDecided: () => undefined, limitStoreAsked: () => undefined },
  });
  t.after(() => limiter.close());
  const caller = { keyId: 'key_one', projectId: 'prj_one', scopes: new Set(['chat'] as const) };
  const subjects = { caller, agent: null, route: null };
  let calls = 0;
  const lab: Lab = {
    redis,
    spend,
    clock,
    limiter,
    told,
    breaker,
    cut,
    hangUp: () => hangUp(redis, port),
    connected: () => connected(redis, port),
    async begin(estimate) {
      const call = { ...subjects, id: `${name}-${++calls}`, estimate: () => ({ tokens: 0, microUsd: 0, ...estimate }) };
      return (await limiter.admit(call)) ?? assert.fail('nothing limits the call');
    },
    async ask(used) {
      const estimate = { tokens: 0, microUsd: 0, ...used };
      try {
        const admission = await limiter.admit({ ...subjects, id: `${name}-${++calls}`, estimate: () => estimate });
        if (used !== undefined) admission?.settle(estimate);
        return 'in';
      } catch (error) {
        if (error instanceof LimitExceededError) return 'over';
        throw error;
      }
    },
    used: async () => (await limiter.report(subjects)).limits.map(({ used }) => used),
    left: async () => (await limiter.report(subjects)).limits.map(({ max, used }) => max - used),
    async shared() {
      await waitFor(async () => {
        // Less than a deadline, so that an answer that is on its way is never late.
        await clock.advance(DEADLINE_MS / 2);
        await Promise.allSettled(asked);
        return limiter.mode().mode === 'shared' ? true : null;
      });
      // What was owed was sent behind the answer.
      await lab.used();
    },
  };
  await connected(redis, port);
  return lab;
}

async function connected(redis: TestRedis, port: RedisPort): Promise<void> {
  await waitFor(() =>
    redis
      .command('PING')
      .then(
        () => port.run(PING, [], []),
        () => null,
      )
      .catch(() => null),
  );
}

async function hangUp(redis: TestRedis, port: RedisPort): Promise<void> {
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await waitFor(() =>
    port.run(PING, [], []).then(
      () => null,
      (error: unknown) => error instanceof RedisNotSentError,
    ),
  );
}

describe('limits without their Redis', () => {
  it('allow each instance its share while it is dead, and count that in when it is back, empty', async (t) => {
    const lab = await open(t, { requestsPerMinute: 10 });
    assert.equal(await lab.ask({}), 'in');
    assert.deepEqual(lab.limiter.mode(), { mode: 'shared', dividedBy: 1 });
    await lab.redis.kill();
    assert.deepEqual(
      [await lab.ask({}), await lab.ask({})],
      ['in', 'over'],
      'with the one before it is its share of ten',
    );
    assert.deepEqual(lab.limiter.mode(), { mode: 'share', dividedBy: INSTANCES });
    assert.equal(lab.told.filter((event) => event === 'limits-divided').length, 1, 'told once');
    await lab.redis.restart();
    await lab.shared();
    assert.deepEqual(await lab.used(), [1], 'what was let in without Redis is known to it');
    assert.ok(lab.told.includes('limits-shared-again'));
  });

  it('ask it as soon as the connection is there again, however long its circuit had left to wait', async (t) => {
    const lab = await open(t, { requestsPerMinute: 10 });
    await lab.redis.kill();
    lab.breaker.openFor(3_600_000);
    assert.equal(await lab.ask({}), 'in');
    assert.equal(lab.limiter.mode().mode, 'share');
    await lab.redis.restart();
    await waitFor(() => (lab.limiter.mode().mode === 'shared' ? true : null));
    assert.equal(lab.clock.now(), 0);
  });

  it('ask one whose connection comes and goes once a second, and leave the rest to their circuit', async (t) => {
    const lab = await open(t, { requestsPerMinute: 100 });
    const opened = async (): Promise<void> => {
      lab.breaker.openFor(3_600_000);
      assert.equal(await lab.ask({}), 'in');
      await lab.redis.kill();
      await lab.redis.restart();
      await lab.connected();
    };
    await opened();
    await waitFor(() => (lab.limiter.mode().mode === 'shared' ? true : null));
    await opened();
    assert.equal(lab.breaker.state.kind, 'open');
    await lab.clock.advance(1_000);
    await opened();
    await waitFor(() => (lab.limiter.mode().mode === 'shared' ? true : null));
  });

  it('hold what calls came to against their share of tokens, not what they were thought to come to', async (t) => {
    const lab = await open(t, { tokensPerMinute: 1_000 });
    for (let call = 0; call < 4; call++) (await lab.begin({ tokens: 150 })).settle({ tokens: 10, microUsd: 0 });
    (await lab.begin({ tokens: 10 })).settle(null);
    const under = await lab.begin({ tokens: 50 });
    await lab.redis.kill();
    assert.equal(await lab.ask({ tokens: 101 }), 'over', '100 of its 200 are left');
    under.settle({ tokens: 20, microUsd: 0 });
    assert.equal(await lab.ask({ tokens: 130 }), 'in');
    assert.equal(await lab.ask({ tokens: 1 }), 'over');
  });

  it('wait for one that hangs no longer than their deadline, and never let all in or none', async (t) => {
    const lab = await open(t, { requestsPerMinute: 10 });
    lab.redis.stop();
    const asked = lab.ask({});
    await lab.clock.advance(DEADLINE_MS);
    assert.equal(await asked, 'in');
    assert.equal(lab.limiter.mode().mode, 'share');
    lab.redis.cont();
    await lab.shared();
    assert.equal(await lab.ask({}), 'in');
  });

  it('hold the places of calls under way again when it is back, empty', async (t) => {
    const lab = await open(t, { concurrent: 10 });
    assert.deepEqual([await lab.ask(), await lab.ask()], ['in', 'in']);
    await lab.redis.kill();
    assert.equal(await lab.ask(), 'over', 'two are its share');
    await lab.redis.restart();
    await lab.shared();
    assert.deepEqual(await lab.used(), [2]);
  });

  it('keep the places of calls under way for as long as it is dead, those from before and those since', async (t) => {
    const lab = await open(t, { concurrent: 10 });
    assert.equal(await lab.ask(), 'in');
    await lab.redis.kill();
    assert.deepEqual([await lab.ask(), await lab.ask()], ['in', 'over'], 'two are its share');
    for (let lease = 0; lease < 3; lease++) {
      await lab.clock.advance(LEASE_MS + TICK_MS);
      assert.deepEqual([await lab.used(), await lab.ask()], [[2], 'over']);
    }
  });

  it('share out what is left of a budget, and forget none of it', async (t) => {
    const lab = await open(t, { usdPerMonth: 0.001 });
    assert.equal(await lab.ask({ microUsd: 300 }), 'in');
    await lab.redis.kill();
    assert.equal(await lab.ask({ microUsd: 141 }), 'over', 'a fifth of 700 is 140');
    assert.deepEqual(await lab.left(), [140], 'and is shown so');
    assert.equal(await lab.ask({ microUsd: 140 }), 'in');
    assert.deepEqual(await lab.left(), [0]);
    assert.equal(await lab.ask({ microUsd: 1 }), 'over');
    await lab.clock.advance(TICK_MS);
    await lab.redis.restart();
    await lab.shared();
    assert.deepEqual(await lab.used(), [440], 'read from what was written down, since Redis knows nothing any more');
  });

  it('begin a budget again with what is known here where the database is away as well', async (t) => {
    const lab = await open(t, { usdPerMonth: 0.001 });
    assert.equal(await lab.ask({ microUsd: 300 }), 'in');
    await lab.redis.kill();
    assert.equal(await lab.ask({ microUsd: 40 }), 'in');
    t.mock.method(lab.spend, 'read', () => Promise.reject(new Error('away')));
    await lab.redis.restart();
    await lab.shared();
    assert.equal(await lab.ask({ microUsd: 661 }), 'over');
    assert.equal(await lab.ask({ microUsd: 660 }), 'in');
    assert.deepEqual(await lab.used(), [1_000]);
  });

  it('owe what the circuit gave no leave to tell', async (t) => {
    const lab = await open(t, { usdPerMonth: 0.001 });
    const call = await lab.begin({ microUsd: 300 });
    lab.breaker.forceOpen({ by: 'test', reason: 'no leave' });
    call.settle({ tokens: 0, microUsd: 50 });
    await lab.clock.advance(0);
    assert.equal(lab.limiter.mode().mode, 'share');
    lab.breaker.reset();
    await lab.shared();
    assert.deepEqual(await lab.used(), [50]);
  });

  it('owe what was not sent, since the connection was away', async (t) => {
    const lab = await open(t, { usdPerMonth: 0.001 });
    const call = await lab.begin({ microUsd: 300 });
    await lab.hangUp();
    call.settle({ tokens: 0, microUsd: 50 });
    await lab.clock.advance(0);
    await lab.shared();
    assert.deepEqual(await lab.used(), [50]);
  });

  for (const amending of ['before', 'behind'] as const)
    it(`count once what calls came to where the connection is lost ${amending} Redis heard of it, also again and again`, async (t) => {
      const lab = await open(t, { usdPerMonth: 0.001, usdPerDay: 0.001 });
      const call = await lab.begin({ microUsd: 300 });
      lab.cut.amending = amending;
      call.settle({ tokens: 0, microUsd: 50 });
      await waitFor(() => (lab.limiter.mode().mode === 'share' ? true : null));
      // What is let in meanwhile is lost in the same way when it is told.
      assert.equal(await lab.ask({ microUsd: 20 }), 'in');
      await waitFor(async () => {
        await lab.clock.advance(DEADLINE_MS / 2);
        return lab.told.includes('limits-shared-again') && lab.limiter.mode().mode === 'share' ? true : null;
      });
      lab.cut.amending = null;
      await lab.shared();
      assert.deepEqual(await lab.used(), [70, 70]);
    });

  it('take back what a Redis reserved that had hung for too long, and count what was spent', async (t) => {
    const lab = await open(t, { usdPerMonth: 0.001, usdPerDay: 0.001 });
    assert.equal(await lab.ask({ microUsd: 100 }), 'in');
    lab.redis.stop();
    const begun = [lab.begin({ microUsd: 90 }), lab.begin({ microUsd: 90 })];
    await lab.clock.advance(DEADLINE_MS);
    for (const call of await Promise.all(begun)) call.settle({ tokens: 0, microUsd: 20 });
    lab.redis.cont();
    await lab.shared();
    assert.deepEqual(await lab.used(), [140, 140]);
  });

  it('count calls under way as they end in a budget that knows nothing of their estimates', async (t) => {
    const lab = await open(t, { usdPerMonth: 0.001 });
    assert.equal(await lab.ask({ microUsd: 300 }), 'in');
    const calls = [await lab.begin({ microUsd: 150 }), await lab.begin({ microUsd: 150 })];
    await lab.clock.advance(TICK_MS);
    await lab.redis.kill();
    await lab.redis.restart();
    await waitFor(async () =>
      (await lab.used())[0] === 300 && lab.limiter.mode().mode === 'shared'
        ? true
        : (await lab.clock.advance(100), null),
    );
    assert.equal(await lab.ask({ microUsd: 10 }), 'in');
    calls[0]?.settle({ tokens: 0, microUsd: 20 });
    calls[1]?.settle(null);
    // A Redis that is new asks for the script's text first, which is behind this one.
    await lab.used();
    assert.deepEqual(await lab.used(), [480], '300 and 10, 20 and what nobody knows better than as 150');
  });

  it('count once what two instances let in meanwhile, whoever of them is back first', async (t) => {
    const first = await open(t, { usdPerMonth: 0.001 });
    const second = await instance(t, { usdPerMonth: 0.001 }, first);
    for (const lab of [first, second]) assert.equal(await lab.ask({ microUsd: 10 }), 'in');
    await first.redis.kill();
    for (const lab of [first, second]) assert.equal(await lab.ask({ microUsd: 100 }), 'in');
    second.breaker.forceOpen({ by: 'test', reason: 'back later' });
    await first.clock.advance(60 * TICK_MS);
    await first.redis.restart();
    await first.shared();
    assert.equal(await first.ask({ microUsd: 1 }), 'in');
    second.breaker.reset();
    await second.shared();
    assert.deepEqual([await first.used(), await second.used()], [[221], [221]]);
  });
});
