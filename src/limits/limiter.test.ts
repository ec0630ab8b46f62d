/** A limiter over a Redis that answers when and what the test says: orders of answers that a real one gives once in a while. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { LimitExceededError } from '#contract/limits';
import type { RedisArgument } from '#redis/index';
import { BreakerRegistry } from '#resilience/index';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { Limiter } from './limiter.ts';
import type { LimitsSettings } from './rules.ts';

const INSTANCES = 5;
const TICK_MS = 1_000;
const LEASE_MS = 30_000;
const none = { default: {}, named: {} };
const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

interface Asked {
  readonly script: string;
  readonly args: readonly RedisArgument[];
  readonly answer: PromiseWithResolvers<unknown>;
}

const settingsOf = (concurrent: number, leaseMs: number): LimitsSettings => ({
  organisations: none,
  projects: none,
  agents: none,
  routes: none,
  keys: { default: { concurrent }, named: {} },
  leaseMs,
});

function lab(concurrent: number, leaseMs = LEASE_MS) {
  const clock = new VirtualClock();
  const asked: Asked[] = [];
  const limiter = new Limiter({
    settings: settingsOf(concurrent, leaseMs),
    shared: {
      redis: {
        run({ name: script }, _keys, args) {
          const answer = Promise.withResolvers<unknown>();
          asked.push({ script, args, answer });
          return answer.promise;
        },
        onReady: ignore,
      },
      breaker: new BreakerRegistry({ clock, random: seededRandom(1) }).get('limits'),
    },
    instances: { liveInstances: () => INSTANCES },
    incarnation: 'one',
    spend: { read: async () => new Map(), add: async () => undefined },
    clock,
    logger,
    observer: { limitDecided: ignore, limitStoreAsked: ignore },
  });
  const caller = { keyId: 'key_one', projectId: 'prj_one', scopes: new Set(['chat'] as const) };
  const nothing = { tokens: 0, microUsd: 0 };
  const admit = (id: string) =>
    limiter.admit({ caller, agent: null, route: null, id, estimate: () => nothing }) ?? assert.fail('not limited');
  /** What Redis is asked by this script, once it is. */
  const next = async (script: string): Promise<Asked> => {
    await clock.advance(0);
    const place = asked.findIndex((each) => each.script === script);
    return asked.splice(place, 1)[0] ?? assert.fail(`${script} is not asked`);
  };
  return { clock, admit, next, limiter };
}

/** To one claim with one rule: let in, at 0, one is used, no wait, not refused, no mark. */
const GRANTED = [[[1, 0, 1, 0, 0, 0, 0]]];
/** To one with none. */
const LOOKED = [[[1, 0]]];

describe('a limiter', () => {
  it('holds a call that Redis did not take against a share, though Redis took something else just then', async () => {
    const { admit, next, clock } = lab(10);
    await clock.advance(LEASE_MS / 3);
    const looking = await next('limits-reserve');
    const call = admit('call');
    const reserving = await next('limits-reserve');
    reserving.answer.reject(new Error('OOM'));
    looking.answer.resolve(LOOKED);
    assert.deepEqual(
      (await call).standings.map(({ max }) => max),
      [10 / INSTANCES],
    );
  });

  it('counts by shares as long as Redis reserves nothing, also where it takes what calls came to', async () => {
    const { clock, admit, next, limiter } = lab(10);
    const first = admit('first');
    (await next('limits-reserve')).answer.resolve(GRANTED);
    (await first).settle(null);
    const amending = await next('limits-amend');
    const second = admit('second');
    (await next('limits-reserve')).answer.reject(new Error('OOM'));
    await second;
    amending.answer.resolve(null);
    await clock.advance(0);
    assert.equal(limiter.mode().mode, 'share');
    await clock.advance(TICK_MS);
    (await next('limits-reserve')).answer.resolve(LOOKED);
    await clock.advance(0);
    assert.equal(limiter.mode().mode, 'shared');
  });

  it('leaves the place that a Redis may yet take which hung, for a call that was refused meanwhile', async () => {
    const { clock, admit, next } = lab(INSTANCES);
    const first = admit('first');
    (await next('limits-reserve')).answer.resolve(GRANTED);
    await first;
    const second = admit('second');
    const refused = assert.rejects(second, LimitExceededError);
    await next('limits-reserve');
    await clock.advance(TICK_MS);
    await refused;
    (await next('limits-reserve')).answer.resolve(LOOKED);
    const { args } = await next('limits-amend');
    assert.deepEqual(args.slice(3), ['l', '', 1, 0, 'second', 'h', 'first', LEASE_MS, 0]);
  });

  it('renews the places of calls under way at a third of the shortest lease there may be', async () => {
    const { clock, admit, next } = lab(INSTANCES, 1_000);
    const first = admit('first');
    (await next('limits-reserve')).answer.resolve(GRANTED);
    await first;
    await clock.advance(334);
    const { args } = await next('limits-amend');
    assert.deepEqual(args.slice(3), ['h', 'first', 1_000, 0]);
  });

  it('holds places for as long as the lease that was set last', async () => {
    const { clock, admit, next, limiter } = lab(INSTANCES);
    limiter.configure(settingsOf(INSTANCES, 6_000));
    const first = admit('first');
    (await next('limits-reserve')).answer.resolve(GRANTED);
    await first;
    await clock.advance(2_000);
    const { args } = await next('limits-amend');
    assert.deepEqual(args.slice(3), ['h', 'first', 6_000, 0]);
  });

  it('ends when Redis has been told what calls came to that ended last, and then waits for nothing', async () => {
    const { clock, admit, next, limiter } = lab(INSTANCES);
    const first = admit('first');
    (await next('limits-reserve')).answer.resolve(GRANTED);
    (await first).settle(null);
    let closed = false;
    void limiter.close().then(() => (closed = true));
    const { args, answer } = await next('limits-amend');
    assert.deepEqual([args.slice(3), closed], [['l', '', 1, 0, 'first'], false]);
    answer.resolve(null);
    await clock.advance(0);
    assert.deepEqual([closed, clock.pending], [true, 0]);
  });

  it('finds out that Redis is away also where nobody calls', async () => {
    const { clock, next, limiter } = lab(10);
    await clock.advance(LEASE_MS / 3);
    (await next('limits-reserve')).answer.reject(new Error('away'));
    await clock.advance(0);
    assert.deepEqual(limiter.mode(), { mode: 'share', dividedBy: INSTANCES });
  });
});
