/** Both stores of limits, one suite; then random claims side by side, which must be answered the same, step by step. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { settlementOf } from '#limits/amendments';
import { daysOf } from '#limits/calendar';
import { MemoryStore } from '#limits/memory-store';
import { DAYS } from '#limits/scripts';
import type { Claim, LimitStore, Reserved } from '#limits/store';
import { startTimedRedis, WINDOW_MS } from '../helpers/timed-redis.ts';
import type { TimedRedis } from '../helpers/timed-redis.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { claimOf, limitSuite, reserveOne, ruleOf } from './limit-suite.ts';
import type { LimitLab } from './limit-suite.ts';

let timed: TimedRedis;
before(async () => {
  timed = await startTimedRedis();
});
after(() => timed.close());

const lab = (store: LimitStore, moved: VirtualClock): LimitLab => ({ store, advance: (ms) => moved.advance(ms) });

describe('limits', () => {
  limitSuite('in memory', async () => {
    const own = new VirtualClock();
    return lab(new MemoryStore(own, WINDOW_MS), own);
  });
  limitSuite('in Redis', async () => {
    return lab(timed.store(), timed.clock);
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

/** Both stores through the same steps: asserts that they answer alike, and that no minute has more than its limit. */
async function goThrough(steps: readonly Step[]): Promise<void> {
  const shared = timed.store();
  const { clock } = timed;
  const stores = [new MemoryStore(clock, WINDOW_MS), shared] as const;
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
    assert.deepEqual(await timed.port.run({ name: 'days', lua }, [], moments), expected);
  });
});

/** Marks are a store's own. */
function plain(reserved: Reserved | undefined): unknown {
  if (reserved === undefined || reserved.kind === 'unseeded') return reserved;
  const states = reserved.states.map(({ used, resetMs, refused }) => ({ used, resetMs, refused }));
  return { kind: reserved.kind, states };
}
