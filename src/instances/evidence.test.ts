/**
 * An operator's order reaches every instance, whatever was lost on its way: each hears a real Redis here, some of them with a
 * subscription that brings nothing, or with commands that fail. Reads its marks when the test says so.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { BreakerOrder } from '#contract/evidence';
import { sleepOn, systemClock } from '#core/clock';
import type { Clock, Timer } from '#core/clock';
import { systemRandom as random } from '#core/random';
import { connectRedis } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { BreakerRegistry } from '#resilience/index';
import { waitFor } from '../../tests/helpers/hub-process.ts';
import { startRedis } from '../../tests/helpers/redis.ts';
import type { TestRedis } from '../../tests/helpers/redis.ts';
import { forTheSuite } from '../../tests/helpers/suite.ts';
import { settle } from '../../tests/helpers/virtual-clock.ts';
import { BreakerEvidence } from './evidence.ts';

const KEY = 'provider:openai/gpt';
const MARKS = 'revoagent:breakers:marks';
const by = 'admin';
const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

const FORCE_OPEN: BreakerOrder = { kind: 'force-open', by, reason: 'maintenance' };
const DISABLE: BreakerOrder = { kind: 'disable', by, reason: 'let all through' };
const RESET: BreakerOrder = { kind: 'reset', by, reason: 'over' };

interface Instance {
  /** As the operator's route does. */
  order(order: BreakerOrder): void;
  fail(times: number): void;
  state(): string;
  /** Reads the marks, and resolves when they have been heeded. */
  reconcile(): Promise<void>;
  /** So much time passes for it alone: what it was told and what it found out is older by that. */
  age(byMs: number): void;
  /** What it tells Redis fails from now on, or no longer. */
  failing: boolean;
  /** Resolves when all that was asked of Redis has been answered. */
  settled(): Promise<unknown>;
}

/** The system's, but for the time that a test lets pass. */
class AgeingClock implements Clock {
  #agedMs = 0;

  age(byMs: number): void {
    this.#agedMs += byMs;
  }

  now(): number {
    return systemClock.now() + this.#agedMs;
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#agedMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    return systemClock.schedule(delayMs, callback);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }
}

describe('orders among instances', () => {
  const suite = forTheSuite();
  let redis: TestRedis | undefined;
  beforeEach(async () => {
    if (redis === undefined) {
      const started = await startRedis();
      suite.after(() => started.close());
      redis = started;
    }
    await redis.command('FLUSHALL');
  });

  async function join(t: TestContext, incarnation: string, { deaf = false } = {}): Promise<Instance> {
    assert.ok(redis !== undefined);
    const clock = new AgeingClock();
    const port = connectRedis({ url: redis.url, onError: ignore });
    t.after(() => port.close());
    const breakers = new BreakerRegistry({ clock, random });
    const breaker = breakers.get(KEY);
    const asked = new Set<Promise<unknown>>();
    let failing = false;
    const between: RedisPort = {
      async run(script, keys, args) {
        const asking = failing ? Promise.reject(new Error('cut off')) : port.run(script, keys, args);
        asked.add(asking);
        return asking;
      },
      subscribe: (channel, listener) => (deaf ? undefined : port.subscribe(channel, listener)),
      onReady: ignore,
      close: ignore,
    };
    const parts = { incarnation, instance: incarnation, mode: 'advise', breakers, clock, random, logger } as const;
    await waitFor(() => port.run({ name: 'ping', lua: 'return 1' }, [], []).catch(() => null));
    const evidence = new BreakerEvidence({ ...parts, redis: between });
    t.after(() => evidence.close());
    const settled = async (): Promise<void> => {
      await Promise.allSettled(asked);
      await settle();
    };
    await settled();
    const names = async (): Promise<unknown> => redis?.command('PUBSUB', 'NUMSUB', 'revoagent:breakers');
    if (!deaf) await waitFor(async () => (JSON.stringify(await names()).endsWith(',0]') ? null : true));
    return {
      order(order) {
        if (order.kind === 'force-open') breaker.forceOpen(order);
        else if (order.kind === 'disable') breaker.disable(order);
        else breaker.reset(order.reason);
        evidence.order(KEY, order);
      },
      fail(times) {
        for (let failed = 0; failed < times; failed++) {
          const permit = breaker.tryAcquire();
          if (permit.granted) permit.failure();
        }
      },
      age: (byMs) => clock.age(byMs),
      state: () => breaker.state.kind,
      async reconcile() {
        evidence.reconcile();
        await settled();
      },
      settled,
      get failing() {
        return failing;
      },
      set failing(value) {
        failing = value;
      },
    };
  }

  for (const [name, first, then, state] of [
    ['a reset after a forced opening', FORCE_OPEN, RESET, 'closed'],
    ['a reset after a disabling', DISABLE, RESET, 'closed'],
    ['a forced opening after a reset', RESET, FORCE_OPEN, 'forced_open'],
  ] as const)
    it(`reach one whose subscription brings nothing, by their marks: ${name}`, async (t) => {
      const one = await join(t, 'one');
      const deaf = await join(t, 'deaf', { deaf: true });
      one.order(first);
      await one.settled();
      await deaf.reconcile();
      assert.equal(deaf.state(), one.state());
      one.order(then);
      await one.settled();
      await deaf.reconcile();
      assert.deepEqual([one.state(), deaf.state()], [state, state]);
    });

  it('are told again when they could not be told, the last one alone', async (t) => {
    const one = await join(t, 'one');
    const two = await join(t, 'two');
    one.order(FORCE_OPEN);
    await waitFor(() => (two.state() === 'forced_open' ? true : null));
    one.failing = true;
    one.order(DISABLE);
    one.order(RESET);
    await one.reconcile();
    assert.equal(two.state(), 'forced_open');
    one.failing = false;
    await one.reconcile();
    await waitFor(() => (two.state() === 'closed' ? true : null));
    await one.reconcile();
    await two.reconcile();
    assert.deepEqual([one.state(), two.state()], ['closed', 'closed']);
  });

  it('keep what is left of their time when they are told later, and are not told when it is over', async (t) => {
    const one = await join(t, 'one');
    const two = await join(t, 'two');
    one.failing = true;
    one.order({ ...FORCE_OPEN, forMs: 1_000 });
    await one.settled();
    one.age(1_000);
    assert.equal(one.state(), 'closed');
    one.failing = false;
    await one.reconcile();
    assert.equal(await redis?.command('HLEN', MARKS), 0);
    assert.equal(two.state(), 'closed');
    one.failing = true;
    one.order({ ...FORCE_OPEN, forMs: 60_000 });
    await one.settled();
    one.age(20_000);
    one.failing = false;
    await one.reconcile();
    await waitFor(() => (two.state() === 'forced_open' ? true : null));
    const mark = String(await redis?.command('HGET', MARKS, `order ${KEY}`));
    const remainingMs = Number(/"remainingMs":([\d.]+)/.exec(mark)?.[1]);
    assert.ok(remainingMs < 40_000 && remainingMs > 10_000, mark);
  });

  for (const deaf of [false, true])
    it(`give way to a newer one when they are told late${deaf ? ', which is known by its mark' : ''}`, async (t) => {
      const one = await join(t, 'one', { deaf });
      const two = await join(t, 'two');
      one.failing = true;
      one.order(FORCE_OPEN);
      await one.settled();
      one.age(10_000);
      two.order(DISABLE);
      await two.settled();
      one.failing = false;
      await one.reconcile();
      await one.reconcile();
      await two.reconcile();
      const late = await join(t, 'late', { deaf: true });
      await late.reconcile();
      assert.deepEqual([one.state(), two.state(), late.state()], ['disabled', 'disabled', 'disabled']);
    });

  it('win over an older one although that one was told before them, and although it is heard later', async (t) => {
    const one = await join(t, 'one');
    const two = await join(t, 'two');
    const deaf = await join(t, 'deaf', { deaf: true });
    for (const each of [one, two, deaf]) each.failing = true;
    two.order(DISABLE);
    await two.settled();
    two.age(20_000);
    one.order(FORCE_OPEN);
    await one.settled();
    one.age(10_000);
    deaf.order(RESET);
    await deaf.settled();
    for (const each of [one, two, deaf]) each.failing = false;
    // The last order is told first, the first one last; and each hears of the others'.
    for (const each of [deaf, one, two, deaf, one, two]) await each.reconcile();
    assert.deepEqual([one.state(), two.state(), deaf.state()], ['closed', 'closed', 'closed']);
  });

  it('do not take back what a circuit found out after them: a reset that is read late ends no trip', async (t) => {
    const one = await join(t, 'one');
    const deaf = await join(t, 'deaf', { deaf: true });
    const two = await join(t, 'two');
    one.failing = true;
    one.order(RESET);
    await one.settled();
    one.age(10_000);
    one.failing = false;
    deaf.fail(5);
    two.fail(5);
    await one.reconcile();
    await waitFor(async () => ((await redis?.command('HEXISTS', MARKS, `order ${KEY}`)) === 1 ? true : null));
    await deaf.reconcile();
    await two.reconcile();
    assert.deepEqual([deaf.state(), two.state()], ['open', 'open']);
  });

  it('take back what a circuit found out before them: a reset that is read late ends its trip', async (t) => {
    const one = await join(t, 'one');
    const deaf = await join(t, 'deaf', { deaf: true });
    deaf.fail(5);
    assert.equal(deaf.state(), 'open');
    deaf.age(1_000);
    one.order(RESET);
    await one.settled();
    await deaf.reconcile();
    assert.equal(deaf.state(), 'closed');
  });
});
