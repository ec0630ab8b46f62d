/** What limits in Redis promise beside what every store does: what is taken back, kept, forgotten and begun anew there. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { placesOf, settlementOf, undoOf } from '#limits/amendments';
import { RedisStore } from '#limits/redis-store';
import type { Amendment, Claim, LimitStore, Reserved, RuleState } from '#limits/store';
import { SLOTS, SLOTS_MAX } from '#limits/window';
import type { RedisPort } from '#redis/index';
import { startTimedRedis, WINDOW_MS } from '../helpers/timed-redis.ts';
import type { TimedRedis } from '../helpers/timed-redis.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { claimOf, reserveOne, ruleOf } from './limit-suite.ts';

let timed: TimedRedis;
before(async () => {
  timed = await startTimedRedis();
});
after(() => timed.close());

describe('a reservation in Redis of which nobody knows', () => {
  const [day, month] = [ruleOf('usd', 1_000, 'day'), ruleOf('usd', 1_000, 'month')];
  const seeds = new Map([day, month].map(({ name }) => [name, 100]));
  const claim = (id: string | null, microUsd: number): Claim => claimOf(id, [day, month], { microUsd, seeds });
  const undo = (id: string): Amendment => ({ kind: 'undo', name: id, budgets: [day.name, month.name] });
  const used = async (store: LimitStore): Promise<unknown> => {
    const found = await reserveOne(store, claim(null, 0));
    return found.kind === 'unseeded' ? found : found.states.map((state) => state.used);
  };

  it('is taken back once, however often that is told, and takes nothing where it comes later', async () => {
    const store = timed.store();
    await reserveOne(store, claim('first', 20));
    await reserveOne(store, claim('second', 300));
    assert.deepEqual(await used(store), [420, 420]);
    for (let times = 0; times < 2; times++) await store.amend([undo('second'), undo('third')]);
    assert.deepEqual(await used(store), [120, 120]);
    assert.equal((await reserveOne(store, claim('third', 300))).kind, 'refused');
    assert.deepEqual(await used(store), [120, 120]);
  });

  it('is taken back from a budget of its own period alone', async () => {
    const store = timed.store();
    const [, kept = 0] = (await used(store)) as number[];
    await timed.clock.advance(86_399_000);
    await reserveOne(store, claim('late', 300));
    await timed.clock.advance(2_000);
    await reserveOne(store, claim('early', 50));
    await store.amend([undo('late')]);
    assert.deepEqual(await used(store), [50, kept + 50]);
  });
});

describe('calls that come at once under the same rules', () => {
  const rules = [ruleOf('tokens', 1_000), ruleOf('concurrent', 3), ruleOf('usd', 1_000, 'day')];
  const calls = (amount: number): Claim[] =>
    ['a', 'b', 'c'].map((id) => claimOf(`${id}-${amount}`, rules, { tokens: amount, microUsd: amount, seeds: null }));
  const used = (reserved: readonly Reserved[]): unknown =>
    reserved.map((each) => [each.kind, each.kind === 'unseeded' ? [] : each.states.map((state) => state.used)]);

  it('cost what one costs, are told what each of them met, and are taken back together', async () => {
    timed.clock = new VirtualClock();
    let named: readonly string[] = [];
    const run: RedisPort['run'] = (script, keys, args) => timed.run(script, (named = keys), args);
    const store = new RedisStore({ run }, WINDOW_MS);
    assert.deepEqual(
      used(await store.reserve(calls(0))),
      Array.from({ length: 3 }, () => ['unseeded', []]),
    );
    await reserveOne(store, claimOf(null, rules, { seeds: new Map([[rules[2]?.name ?? '', 0]]) }));
    await reserveOne(store, claimOf('first', [...rules], { seeds: new Map([[rules[2]?.name ?? '', 0]]) }));
    await store.amend([{ kind: 'leave', name: rules[1]?.name ?? '', ids: ['first'] }]);
    const three = calls(100);
    const reserved = await store.reserve(three);
    assert.equal(named.length, rules.length + 1);
    assert.deepEqual(
      used(reserved),
      [100, 200, 300].map((sum, place) => ['granted', [sum, place + 1, sum]]),
    );
    const [undo, ...others] = undoOf(three);
    assert.deepEqual([undo?.name, others], ['a-100', []]);
    await store.amend(undoOf(three));
    const looked = await reserveOne(store, claimOf(null, rules));
    assert.deepEqual(used([looked]), [['granted', [300, 3, 0]]]);
  });

  it('are let in as far as there is room, and only those are taken back', async () => {
    const store = timed.store();
    await timed.redis.command('FLUSHALL');
    await reserveOne(
      store,
      claimOf('first', [...rules], { seeds: new Map([[rules[2]?.name ?? '', 0]]), microUsd: 50 }),
    );
    const three = calls(400);
    assert.deepEqual(used(await store.reserve(three)), [
      ['granted', [400, 2, 450]],
      ['granted', [800, 3, 850]],
      ['refused', [800, 3, 850]],
    ]);
    await store.amend([...undoOf(three), ...undoOf(three)]);
    assert.deepEqual(used([await reserveOne(store, claimOf(null, rules))]), [['granted', [800, 3, 50]]]);
  });
});

describe('a window in Redis', () => {
  it('keeps few slots where calls turn out to be far smaller than was thought', async () => {
    const store = timed.store();
    const rule = ruleOf('tokens', 100_000);
    const claim = claimOf('call', [rule], { tokens: 1_500 });
    for (let call = 0; call < 600; call++) {
      const found = await reserveOne(store, claim);
      assert.ok(found.kind === 'granted');
      await store.amend(settlementOf(claim, found.states, { tokens: 1, microUsd: 0 }));
      await timed.clock.advance(10);
    }
    const found = await reserveOne(store, claimOf(null, [rule]));
    assert.deepEqual(found.kind === 'granted' && found.states.map(({ used }) => used), [600]);
    const fields = await timed.redis.command('HLEN', `revoagent:limit:${rule.name}`);
    assert.ok(Number(fields) <= 3 + 2 * (SLOTS_MAX + SLOTS), `${Number(fields)} fields`);
  });
});

describe('what Redis holds', () => {
  it('lets nobody wait for the time from which the clock of the server was put back', async () => {
    const store = timed.store();
    const rule = ruleOf('requests', 1);
    const asks = async (): Promise<string> => (await reserveOne(store, claimOf('call', [rule]))).kind;
    assert.equal(await asks(), 'granted');
    timed.clock.stepWall(-3_600_000);
    assert.equal(await asks(), 'granted');
    timed.clock.stepWall(-1_000);
    assert.equal(await asks(), 'refused', 'by a second it changes nothing');
    await timed.clock.advance(WINDOW_MS + 1_000);
    assert.equal(await asks(), 'granted');
  });

  it('forgets nothing of a budget where the clock of the server is put back over midnight', async () => {
    const store = timed.store();
    const rule = ruleOf('usd', 1_000, 'day');
    const claim = claimOf('call', [rule], { microUsd: 600, seeds: new Map([[rule.name, 0]]) });
    assert.equal((await reserveOne(store, claim)).kind, 'granted');
    timed.clock.stepWall(-1_000);
    assert.equal((await reserveOne(store, claim)).kind, 'refused');
  });

  it('is kept for as long as it counts, and not much longer', async () => {
    const store = timed.store();
    const [requests, places, day] = [ruleOf('requests', 2), ruleOf('concurrent', 2), ruleOf('usd', 1_000, 'day')];
    const seeds = new Map([[day.name, 0]]);
    const claim = claimOf('kept', [requests, places, day], { microUsd: 1, seeds, leaseMs: 3_600_000 });
    await reserveOne(store, claim);
    const change = { kind: 'budget', name: day.name, mark: 0, generation: 0, by: 0, whole: 0, ageMs: 0 } as const;
    await store.amend([change, ...undoOf([{ ...claim, id: 'not-taken' }])], { teller: 'one', number: 1, done: [] });
    for (const [key, atMostMs] of [
      [requests.name, WINDOW_MS],
      [places.name, 3_600_000],
      // A day after its end, for instances that tell late what was spent.
      [day.name, 2 * 86_400_000],
      ['reserved:kept', 60_000],
      ['reserved:not-taken', 60_000],
      ['told:one', 86_400_000],
    ] as const) {
      const leftMs = Number(await timed.redis.command('PTTL', `revoagent:limit:${key}`));
      assert.ok(leftMs > atMostMs / 2 && leftMs <= atMostMs, `${key} ${leftMs}`);
    }
    await reserveOne(store, { ...claim, id: 'free', microUsd: 0 });
    assert.equal(await timed.redis.command('EXISTS', 'revoagent:limit:reserved:free'), 0);
    await store.amend([{ kind: 'hold', name: places.name, id: 'kept', leaseMs: 10_000 }]);
    assert.ok(Number(await timed.redis.command('PTTL', `revoagent:limit:${places.name}`)) > 10_000);
    await store.amend([{ kind: 'hold', name: 'anew', id: 'kept', leaseMs: 10_000 }]);
    assert.ok(Number(await timed.redis.command('PTTL', 'revoagent:limit:anew')) > 5_000);
  });

  it('takes no slot of a window that has been forgotten for one of that in its place', async () => {
    const store = timed.store();
    const claim = claimOf('call', [ruleOf('tokens', 1_000)], { tokens: 500 });
    const first = await reserveOne(store, claim);
    await timed.redis.command('FLUSHALL');
    await timed.clock.advance(1);
    assert.equal((await reserveOne(store, claim)).kind, 'granted');
    assert.ok(first.kind === 'granted');
    await store.amend(settlementOf(claim, first.states, { tokens: 0, microUsd: 0 }));
    assert.equal((await reserveOne(store, { ...claim, tokens: 501 })).kind, 'refused');
  });

  it('is given back in a Redis that is full, and nothing is taken there', async (t) => {
    const store = timed.store();
    const claim = claimOf('call', [ruleOf('concurrent', 1)]);
    const places = (): Promise<unknown> => timed.redis.command('ZCARD', `revoagent:limit:${claim.rules[0]?.name}`);
    await reserveOne(store, claim);
    t.after(() => timed.redis.command('CONFIG', 'SET', 'maxmemory', '0'));
    await timed.redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await assert.rejects(reserveOne(store, { ...claim, id: 'other' }), /OOM/);
    assert.equal(await places(), 1);
    await store.amend(placesOf(claim, null));
    assert.equal(await places(), 0);
  });

  it('keeps a place for its own lease, whoever takes another with a shorter one', async () => {
    const store = timed.store();
    const rule = ruleOf('concurrent', 2);
    await reserveOne(store, claimOf('long', [rule], { leaseMs: 3_600_000 }));
    await reserveOne(store, claimOf('short', [rule], { leaseMs: 10_000 }));
    assert.ok(Number(await timed.redis.command('PTTL', `revoagent:limit:${rule.name}`)) > 10_000);
  });
});

describe('a budget that Redis lost and began anew', () => {
  const rule = ruleOf('usd', 1_000, 'day');
  const ask = async (store: LimitStore, microUsd: number, seed = 0): Promise<RuleState> => {
    const seeds = new Map([[rule.name, seed]]);
    const found = await reserveOne(
      store,
      claimOf(microUsd === 0 ? null : `call-${microUsd}`, [rule], { microUsd, seeds }),
    );
    assert.ok(found.kind === 'granted' && found.states[0] !== undefined);
    return found.states[0];
  };

  it('takes the whole of what was spent since, and nothing of what it began with', async () => {
    const store = timed.store();
    const { mark, generation } = await ask(store, 300);
    const change = { kind: 'budget', name: rule.name, mark, generation, by: -200, whole: 100 } as const;
    await timed.redis.command('FLUSHALL');
    await timed.clock.advance(5_000);
    const anew = await ask(store, 50, 500);
    assert.notEqual(anew.generation, generation);
    await timed.clock.advance(2_000);
    await store.amend([{ ...change, ageMs: 2_001 }]);
    assert.equal((await ask(store, 0)).used, 550, 'it was spent before, so it is among the 500');
    await store.amend([{ ...change, ageMs: 2_000 }]);
    assert.equal((await ask(store, 0)).used, 650);
    await store.amend([{ ...change, generation: anew.generation, by: -20, ageMs: 9_000 }]);
    assert.equal((await ask(store, 0)).used, 630, 'reserved here: by the difference');
  });

  it('counts as ever where an older hub began it', async () => {
    const store = timed.store();
    await timed.redis.command('FLUSHALL');
    await timed.redis.command('HSET', `revoagent:limit:${rule.name}`, 'p', timed.clock.wallMs() / 86_400_000, 's', 100);
    const { mark, generation, used } = await ask(store, 300);
    assert.deepEqual([used, generation], [400, 0]);
    await store.amend([{ kind: 'budget', name: rule.name, mark, generation, by: -200, whole: 100, ageMs: 0 }]);
    assert.equal((await ask(store, 0)).used, 200);
  });

  it('takes a sum once under one number, whatever else is told, and forgets numbers that are never told again', async () => {
    const store = timed.store();
    await timed.redis.command('FLUSHALL');
    const { mark, generation } = await ask(store, 300);
    const tell = (number: number, done: readonly number[] = []): Promise<void> =>
      store.amend(
        [
          { kind: 'budget', name: rule.name, mark, generation, by: 10, whole: 310, ageMs: 0 },
          { kind: 'add', name: 'beside', by: 1, max: 10 },
        ],
        { teller: 'call', number, done },
      );
    for (const number of [1, 2, 1, 2, 1]) await tell(number);
    assert.equal((await ask(store, 0)).used, 320);
    const known = async (): Promise<unknown> => timed.redis.command('SMEMBERS', 'revoagent:limit:told:call');
    await tell(3, [1, 2]);
    assert.deepEqual([(await ask(store, 0)).used, await known()], [330, ['3']]);
  });
});
