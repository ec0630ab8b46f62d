/** Both stores of limits, one suite; then random claims side by side, which must be answered the same, step by step. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { connectRedis } from '#redis/index';
import type { RedisPort, Script } from '#redis/index';
import { settlementOf, undoOf } from '#limits/amendments';
import { daysOf } from '#limits/calendar';
import { MemoryStore } from '#limits/memory-store';
import { RedisStore } from '#limits/redis-store';
import { DAYS } from '#limits/scripts';
import type { Amendment, Claim, LimitStore, Reserved, RuleState } from '#limits/store';
import { SLOTS, SLOTS_MAX } from '#limits/window';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { claimOf, limitSuite, reserveOne, ruleOf } from './limit-suite.ts';
import type { LimitLab } from './limit-suite.ts';

const WINDOW_MS = 60_000;

let redis: TestRedis;
let port: RedisPort;
/** What the scripts take for the server's time. */
let clock = new VirtualClock();

/** The scripts as they are, but for where the time is from: the clock, as an argument behind the others. */
const onClock = new Map<Script, Script>();
const timed: Pick<RedisPort, 'run'> = {
  run(script, keys, args) {
    let moved = onClock.get(script);
    if (moved === undefined) {
      const lua = script.lua.replace(
        `redis.call('TIME')`,
        `{math.floor(ARGV[#ARGV] / 1000), ARGV[#ARGV] % 1000 * 1000}`,
      );
      assert.notEqual(lua, script.lua);
      onClock.set(script, (moved = { name: script.name, lua }));
    }
    return port.run(moved, keys, [...args, clock.wallMs()]);
  },
};

before(async () => {
  redis = await startRedis();
  port = connectRedis({ url: redis.url });
  while ((await port.run({ name: 'ping', lua: `return 'up'` }, [], []).catch(() => null)) === null)
    await new Promise(setImmediate);
});
after(async () => {
  port.close();
  await redis.close();
});

const lab = (store: LimitStore, moved: VirtualClock): LimitLab => ({ store, advance: (ms) => moved.advance(ms) });

describe('limits', () => {
  limitSuite('in memory', async () => {
    const own = new VirtualClock();
    return lab(new MemoryStore(own, WINDOW_MS), own);
  });
  limitSuite('in Redis', async () => {
    clock = new VirtualClock();
    return lab(new RedisStore(timed, WINDOW_MS), clock);
  });
});

type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | {
      readonly kind: 'ask';
      readonly rules: readonly number[];
      readonly calls: readonly { readonly tokens: number; readonly microUsd: number }[];
    }
  | { readonly kind: 'settle'; readonly which: number; readonly share: number };

/** So many calls at once under the same rules, and so many milliseconds between. */
function stepsOf(callsMax: number, waitMs: number, waitsMax: number): fc.Arbitrary<Step[]> {
  const wait = fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.integer({ min: 0, max: waitsMax }).map((waits) => waits * waitMs),
  });
  const call = fc.record({ tokens: fc.integer({ min: 0, max: 120 }), microUsd: fc.integer({ min: 0, max: 400 }) });
  const ask = fc.record({
    kind: fc.constant('ask' as const),
    rules: fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1 }),
    calls: fc.array(call, { minLength: 1, maxLength: callsMax }),
  });
  const settle = fc.record({
    kind: fc.constant('settle' as const),
    which: fc.nat(),
    share: fc.double({ min: 0, max: 3, noNaN: true }),
  });
  const step = fc.oneof(
    { weight: 2, arbitrary: wait },
    { weight: 5, arbitrary: ask },
    { weight: 2, arbitrary: settle },
  );
  return fc.array(step, { minLength: 1, maxLength: 60 });
}

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
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    await reserveOne(store, claim('first', 20));
    await reserveOne(store, claim('second', 300));
    assert.deepEqual(await used(store), [420, 420]);
    for (let times = 0; times < 2; times++) await store.amend([undo('second'), undo('third')]);
    assert.deepEqual(await used(store), [120, 120]);
    assert.equal((await reserveOne(store, claim('third', 300))).kind, 'refused');
    assert.deepEqual(await used(store), [120, 120]);
  });

  it('is taken back from a budget of its own period alone', async () => {
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    const [, kept = 0] = (await used(store)) as number[];
    await clock.advance(86_399_000);
    await reserveOne(store, claim('late', 300));
    await clock.advance(2_000);
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
    clock = new VirtualClock();
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
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    await redis.command('FLUSHALL');
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
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    const rule = ruleOf('tokens', 100_000);
    const claim = claimOf('call', [rule], { tokens: 1_500 });
    for (let call = 0; call < 600; call++) {
      const found = await reserveOne(store, claim);
      assert.ok(found.kind === 'granted');
      await store.amend(settlementOf(claim, found.states, { tokens: 1, microUsd: 0 }));
      await clock.advance(10);
    }
    const found = await reserveOne(store, claimOf(null, [rule]));
    assert.deepEqual(found.kind === 'granted' && found.states.map(({ used }) => used), [600]);
    const fields = await redis.command('HLEN', `revoagent:limit:${rule.name}`);
    assert.ok(Number(fields) <= 3 + 2 * (SLOTS_MAX + SLOTS), `${Number(fields)} fields`);
  });
});

describe('what Redis holds', () => {
  it('lets nobody wait for the time from which the clock of the server was put back', async () => {
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    const rule = ruleOf('requests', 1);
    const asks = async (): Promise<string> => (await reserveOne(store, claimOf('call', [rule]))).kind;
    assert.equal(await asks(), 'granted');
    clock.stepWall(-3_600_000);
    assert.equal(await asks(), 'granted');
    clock.stepWall(-1_000);
    assert.equal(await asks(), 'refused', 'by a second it changes nothing');
    await clock.advance(WINDOW_MS + 1_000);
    assert.equal(await asks(), 'granted');
  });

  it('keeps a place for its own lease, whoever takes another with a shorter one', async () => {
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    const rule = ruleOf('concurrent', 2);
    await reserveOne(store, claimOf('long', [rule], { leaseMs: 3_600_000 }));
    await reserveOne(store, claimOf('short', [rule], { leaseMs: 10_000 }));
    assert.ok(Number(await redis.command('PTTL', `revoagent:limit:${rule.name}`)) > 10_000);
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
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    const { mark, generation } = await ask(store, 300);
    const change = { kind: 'budget', name: rule.name, mark, generation, by: -200, whole: 100 } as const;
    await redis.command('FLUSHALL');
    await clock.advance(5_000);
    const anew = await ask(store, 50, 500);
    assert.notEqual(anew.generation, generation);
    await clock.advance(2_000);
    await store.amend([{ ...change, ageMs: 2_001 }]);
    assert.equal((await ask(store, 0)).used, 550, 'it was spent before, so it is among the 500');
    await store.amend([{ ...change, ageMs: 2_000 }]);
    assert.equal((await ask(store, 0)).used, 650);
    await store.amend([{ ...change, generation: anew.generation, by: -20, ageMs: 9_000 }]);
    assert.equal((await ask(store, 0)).used, 630, 'reserved here: by the difference');
  });

  it('counts as ever where an older hub began it', async () => {
    clock = new VirtualClock();
    const store = new RedisStore(timed, WINDOW_MS);
    await redis.command('FLUSHALL');
    await redis.command('HSET', `revoagent:limit:${rule.name}`, 'p', clock.wallMs() / 86_400_000, 's', 100);
    const { mark, generation, used } = await ask(store, 300);
    assert.deepEqual([used, generation], [400, 0]);
    await store.amend([{ kind: 'budget', name: rule.name, mark, generation, by: -200, whole: 100, ageMs: 0 }]);
    assert.equal((await ask(store, 0)).used, 200);
  });
});

/** Both stores through the same steps: asserts that they answer alike, and that no minute has more than its limit. */
async function goThrough(steps: readonly Step[]): Promise<void> {
  clock = new VirtualClock();
  const stores = [new MemoryStore(clock, WINDOW_MS), new RedisStore(timed, WINDOW_MS)] as const;
  const rules = [
    ruleOf('requests', 7),
    ruleOf('tokens', 300),
    ruleOf('concurrent', 3),
    ruleOf('usd', 1_000, 'day'),
    ruleOf('requests', 250),
  ];
  const seeds = new Map([[rules[3]?.name ?? '', 0]]);
  for (const store of stores) await reserveOne(store, claimOf('first', rules, { seeds }));
  for (const store of stores) await store.amend([{ kind: 'leave', name: rules[2]?.name ?? '', ids: ['first'] }]);
  const made: { readonly claim: Claim; readonly answers: readonly (Reserved | undefined)[] }[] = [];
  const takenAt = [clock.now()];
  for (const [number, each] of steps.entries()) {
    if (each.kind === 'wait') {
      await clock.advance(each.ms);
    } else if (each.kind === 'settle') {
      const [call] = made.splice(each.which % Math.max(1, made.length), 1);
      if (call === undefined) continue;
      const { claim, answers } = call;
      const spent = {
        tokens: Math.round(claim.tokens * each.share),
        microUsd: Math.round(claim.microUsd * each.share),
      };
      for (const [place, store] of stores.entries()) {
        const answer = answers[place];
        if (answer?.kind === 'granted') await store.amend(settlementOf(claim, answer.states, spent));
      }
    } else {
      const asked = each.rules.flatMap((place) => rules[place] ?? []);
      const claims = each.calls.map((call, place) => claimOf(`c${number}.${place}`, asked, { ...call, seeds: null }));
      const [inMemory, inRedis] = [await stores[0].reserve(claims), await stores[1].reserve(claims)];
      assert.deepEqual(inRedis.map(plain), inMemory.map(plain));
      for (const [place, claim] of claims.entries()) {
        if (inMemory[place]?.kind !== 'granted') continue;
        made.push({ claim, answers: [inMemory[place], inRedis[place]] });
        if (each.rules.includes(0)) takenAt.push(clock.now());
      }
    }
  }
  for (const from of takenAt) assert.ok(takenAt.filter((at) => at >= from && at < from + WINDOW_MS).length <= 7);
}

describe('the two stores', () => {
  it('answer every sequence of claims the same, and let no minute have more than its limit', async () => {
    await fc.assert(fc.asyncProperty(stepsOf(1, 1, 25_000), goThrough), { numRuns: 60 });
  });

  // By whole slots: what comes at once goes into one slot in Redis and into several in memory, which then end at the same time.
  it('answer calls that come at once as if they came one after the other', async () => {
    await fc.assert(fc.asyncProperty(stepsOf(5, 1_000, 25), goThrough), { numRuns: 60 });
  });

  it('begin and end days, weeks and months alike', async () => {
    const sample = fc.sample(
      fc.date({ min: new Date('1970-01-01'), max: new Date('2300-01-01'), noInvalidDate: true }),
      300,
    );
    const edges = ['2000-02-29', '2100-02-28', '2100-03-01', '2027-12-31', '2028-01-01', '2028-12-31'].map(
      (day) => new Date(day),
    );
    const moments = [...edges, ...sample].map((date) => date.getTime());
    const lua = `local found = {}
      for _, at in ipairs(ARGV) do
        local now = tonumber(at)
        ${DAYS}
        for _, kind in ipairs({'d', 'k', 'm'}) do
          local start, finish = days(kind)
          table.insert(found, start)
          table.insert(found, finish)
        end
      end
      return found`;
    const expected = moments.flatMap((at) =>
      (['day', 'week', 'month'] as const).flatMap((period) => Object.values(daysOf(period, at)) as number[]),
    );
    assert.deepEqual(await port.run({ name: 'days', lua }, [], moments), expected);
  });
});

/** Marks are a store's own. */
function plain(reserved: Reserved | undefined): unknown {
  if (reserved === undefined || reserved.kind === 'unseeded') return reserved;
  const states = reserved.states.map(({ used, resetMs, refused }) => ({ used, resetMs, refused }));
  return { kind: reserved.kind, states };
}
