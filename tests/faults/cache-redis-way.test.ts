/**
 * The way to Redis is slow, or cut: in real time, behind a real proxy. What callers wait is bounded by the clock of the house in
 * cache-redis.test.ts; here it is held against what they did: who was asked, how often anybody knocked, and what is true afterwards.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { connectRedis, createCache, RedisTier } from '#cache/index';
import type { Cache, CacheEvent } from '#cache/index';
import { waitFor } from '../helpers/hub-process.ts';
import { startRedis } from '../helpers/redis.ts';
import { startSlowProxy } from '../helpers/slow-proxy.ts';
import type { SlowProxy } from '../helpers/slow-proxy.ts';

/** Of an outage; the bound below is of knocks within it. */
const OUTAGE_MS = 3_000;
const SLOW_MS = 2_000;
/** Used again within so long after it is well. */
const RECOVERY_MS = 5_000;

interface Lab {
  readonly proxy: SlowProxy;
  readonly one: Cache;
  readonly other: Cache;
  readonly events: CacheEvent[];
}

async function openLab(t: TestContext): Promise<Lab> {
  const redis = await startRedis();
  t.after(() => redis.close());
  const proxy = await startSlowProxy(t, redis.port);
  const events: CacheEvent[] = [];
  const open = async (): Promise<Cache> => {
    const tier = new RedisTier(connectRedis({ url: `redis://127.0.0.1:${proxy.port}` }), { namespace: 'way' });
    const cache = createCache({ namespace: 'way', tiers: [tier], onEvent: (event) => events.push(event) });
    t.after(() => cache.close());
    await waitFor(() => Promise.resolve(tier.position()).catch(() => undefined));
    return cache;
  };
  return { proxy, one: await open(), other: await open(), events };
}

const answered = (events: readonly CacheEvent[], from: number): boolean =>
  events.slice(from).some((each) => each.kind === 'operation' && each.outcome === 'ok');

/** Until an operation succeeds again; throws after the time that recovery may take. */
async function recovers({ events }: Lab): Promise<void> {
  const from = events.length;
  await waitFor(() => (answered(events, from) ? true : undefined), RECOVERY_MS);
}

/** Callers who come all the time, as long as the outage lasts. */
async function callersFor(ms: number, { one }: Lab): Promise<number> {
  const end = performance.now() + ms;
  let served = 0;
  await waitFor(async () => {
    assert.equal(await one.getOrSet(`cold:${served}`, () => 'made'), 'made');
    served++;
    return performance.now() >= end ? true : undefined;
  }, 10 * ms);
  return served;
}

it('Redis answers two seconds late: nobody fails, late answers are thrown away, and it is used again soon after', async (t) => {
  const lab = await openLab(t);
  await lab.one.set('k', 'old');
  lab.proxy.delay(SLOW_MS);
  const served = await callersFor(OUTAGE_MS, lab);
  // A caller who waited for a late answer would have taken two seconds: there would be one or two.
  assert.ok(served > 5, `${served} callers served`);
  await lab.one.delete('k');
  assert.equal(await lab.one.getOrSet('k', () => 'new'), 'new');
  lab.proxy.delay(0);
  await recovers(lab);
  await waitFor(async () => ((await lab.other.get('k')) === 'old' ? undefined : true), 2 * RECOVERY_MS);
  assert.notEqual(lab.other.peek('k'), 'old');
});

it('the way is cut: a connection is tried about once a second by each of two, however many callers come', async (t) => {
  const lab = await openLab(t);
  const before = lab.proxy.connections();
  lab.proxy.refuse();
  const startedAt = performance.now();
  await callersFor(OUTAGE_MS, lab);
  const seconds = (performance.now() - startedAt) / 1_000;
  const knocks = lab.proxy.connections() - before;
  // Two instances of two connections; each: 50, 100, 200, 400 ms and then a second, each drawn from its upper half.
  assert.ok(knocks >= 4, 'they try again');
  assert.ok(knocks <= 4 * (5 + 2 * seconds), `${knocks} connections in ${seconds} s`);
  lab.proxy.admit();
  await recovers(lab);
});
