/** What every store of limits promises, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Claim, LimitStore, Reserved, RuleState } from '#limits/store';
import type { Rule } from '#limits/rules';

export interface LimitLab {
  readonly store: LimitStore;
  /** Of the store's clock. */
  advance(ms: number): Promise<void>;
}

const LEASE_MS = 9_000;
let rules = 0;

/** Each with a name that nobody else uses. */
export function ruleOf(kind: Rule['kind'], max: number, period: Rule['period'] = 'minute'): Rule {
  return { scope: 'key', id: 'k', kind, period: kind === 'concurrent' ? null : period, max, name: `rule-${++rules}` };
}

export function claimOf(id: string | null, given: readonly Rule[], more: Partial<Claim> = {}): Claim {
  return { id, rules: given, tokens: 0, microUsd: 0, leaseMs: LEASE_MS, seeds: new Map(), ...more };
}

/** One claim alone. */
export async function reserveOne(store: LimitStore, claim: Claim): Promise<Reserved> {
  const [reserved] = await store.reserve([claim]);
  assert.ok(reserved !== undefined);
  return reserved;
}

async function answered(store: LimitStore, claim: Claim): Promise<{ granted: boolean; states: readonly RuleState[] }> {
  const reserved = await reserveOne(store, claim);
  assert.notEqual(reserved.kind, 'unseeded');
  return { granted: reserved.kind === 'granted', states: reserved.kind === 'unseeded' ? [] : reserved.states };
}

async function severalClaims({ store }: LimitLab): Promise<void> {
  const [requests, places, other] = [ruleOf('requests', 3), ruleOf('concurrent', 1), ruleOf('requests', 1)];
  const claims = [
    claimOf('a', [requests, places]),
    claimOf('b', [requests, places]),
    claimOf(null, [requests]),
    claimOf('c', [requests]),
    claimOf('d', [other, requests]),
    claimOf('e', [requests]),
    claimOf('f', []),
  ];
  const reserved = await store.reserve(claims);
  assert.deepEqual(
    reserved.map((each) => [each.kind, ...(each.kind === 'unseeded' ? [] : each.states.map(({ used }) => used))]),
    [
      ['granted', 1, 1],
      ['refused', 1, 1],
      ['granted', 1],
      ['granted', 2],
      ['granted', 1, 3],
      ['refused', 3],
      ['granted'],
    ],
  );
  await store.amend([{ kind: 'leave', name: places.name, ids: ['a'] }]);
  assert.ok((await answered(store, claimOf('g', [places]))).granted);
}

type Promises = (what: string, body: (lab: LimitLab) => Promise<void>) => void;

export function limitSuite(name: string, open: () => Promise<LimitLab>): void {
  const promise: Promises = (what, body) => {
    it(`${name}: ${what}`, async () => body(await open()));
  };

  promise('takes a claim by all of its rules or by none', async ({ store }) => {
    const [wide, narrow] = [ruleOf('requests', 10), ruleOf('requests', 1)];
    assert.ok((await answered(store, claimOf('a', [wide, narrow]))).granted);
    const second = await answered(store, claimOf('b', [wide, narrow]));
    assert.equal(second.granted, false);
    assert.deepEqual(
      second.states.map(({ used, refused }) => [used, refused]),
      [
        [1, false],
        [1, true],
      ],
    );
  });

  promise('takes several claims of one step one after the other', severalClaims);

  windowSuite(promise);
  placeSuite(promise);
  budgetSuite(promise);

  promise('counts what was taken elsewhere', async ({ store }) => {
    const rule = ruleOf('requests', 10);
    await store.amend([{ kind: 'add', name: rule.name, by: 9, max: 10 }]);
    assert.equal((await answered(store, claimOf('a', [rule]))).states[0]?.used, 10);
    assert.equal((await answered(store, claimOf('b', [rule]))).granted, false);
  });

  promise('takes nothing where it is only looked at', async ({ store }) => {
    const looked = [ruleOf('requests', 1), ruleOf('concurrent', 1)];
    for (let times = 0; times < 3; times++) assert.ok((await answered(store, claimOf(null, looked))).granted);
    assert.deepEqual(
      (await answered(store, claimOf('a', looked))).states.map(({ used }) => used),
      [1, 1],
    );
  });
}

function windowSuite(promise: Promises): void {
  promise('frees a window sixty seconds after what filled it, and says so before', async ({ store, advance }) => {
    const rule = ruleOf('requests', 2);
    assert.equal((await answered(store, claimOf('a', [rule]))).states[0]?.resetMs, 60_000);
    await advance(1_500);
    await answered(store, claimOf('b', [rule]));
    await advance(500);
    const refused = await answered(store, claimOf('c', [rule]));
    assert.equal(refused.states[0]?.resetMs, 58_000);
    await advance(57_999);
    assert.equal((await answered(store, claimOf('c', [rule]))).granted, false);
    await advance(1);
    assert.equal((await answered(store, claimOf('c', [rule]))).granted, true);
    assert.equal((await answered(store, claimOf('d', [rule]))).granted, false);
  });

  promise('takes tokens back that were not used, and those that were used on top', async ({ store, advance }) => {
    const rule = ruleOf('tokens', 1_000);
    const first = await answered(store, claimOf('a', [rule], { tokens: 900 }));
    assert.equal((await answered(store, claimOf('b', [rule], { tokens: 200 }))).granted, false);
    const mark = first.states[0]?.mark ?? 0;
    await store.amend([{ kind: 'window', name: rule.name, mark, by: -600 }]);
    assert.equal((await answered(store, claimOf('b', [rule], { tokens: 200 }))).states[0]?.used, 500);
    await advance(60_000);
    await store.amend([{ kind: 'window', name: rule.name, mark, by: 5_000 }]);
    assert.equal((await answered(store, claimOf('c', [rule], { tokens: 1_000 }))).granted, true);
    const never = await answered(store, claimOf('d', [rule], { tokens: 1_001 }));
    assert.equal(never.states[0]?.resetMs, Number.POSITIVE_INFINITY);
  });

  promise('amends what still counts of a window, and nothing that has run out', async ({ store, advance }) => {
    const rule = ruleOf('tokens', 1_000);
    const used = async (): Promise<unknown> => (await answered(store, claimOf(null, [rule]))).states[0]?.used;
    const marks: number[] = [];
    for (const [id, tokens] of [
      ['a', 400],
      ['b', 300],
    ] as const) {
      marks.push((await answered(store, claimOf(id, [rule], { tokens }))).states[0]?.mark ?? 0);
      await advance(30_000);
    }
    const [gone = 0, counts = 0] = marks;
    assert.equal(await used(), 300);
    await store.amend([{ kind: 'window', name: rule.name, mark: gone, by: 500 }]);
    assert.equal(await used(), 300);
    await store.amend([{ kind: 'window', name: rule.name, mark: counts, by: -100 }]);
    assert.equal(await used(), 200);
    await advance(30_000);
    assert.deepEqual([await used(), await used()], [0, 0]);
  });
}

function placeSuite(promise: Promises): void {
  promise('gives a place back when it is left, and when its lease runs out', async ({ store, advance }) => {
    const rule = ruleOf('concurrent', 2);
    assert.ok((await answered(store, claimOf('a', [rule]))).granted);
    assert.ok((await answered(store, claimOf('b', [rule]))).granted);
    assert.equal((await answered(store, claimOf('c', [rule]))).granted, false);
    await store.amend([{ kind: 'leave', name: rule.name, ids: ['a'] }]);
    assert.ok((await answered(store, claimOf('c', [rule]))).granted);
    await advance(LEASE_MS - 1);
    await store.amend([{ kind: 'hold', name: rule.name, id: 'c', leaseMs: LEASE_MS }]);
    await advance(1);
    assert.equal((await answered(store, claimOf(null, [rule]))).states[0]?.used, 1, 'b was not renewed');
    await advance(LEASE_MS);
    assert.equal((await answered(store, claimOf(null, [rule]))).states[0]?.used, 0);
    for (const id of ['d', 'e']) assert.ok((await answered(store, claimOf(id, [rule]))).granted);
    await store.amend(['f', 'd', 'e'].map((id) => ({ kind: 'leave', name: rule.name, ids: [id] })));
    assert.equal((await answered(store, claimOf(null, [rule]))).states[0]?.used, 0, 'several are left together');
  });
}

function budgetSuite(promise: Promises): void {
  promise(
    'asks what a budget begins with, counts on from there, and begins anew at midnight',
    async ({ store, advance }) => {
      const rule = ruleOf('usd', 1_000, 'day');
      const claim = claimOf('a', [rule], { microUsd: 300 });
      const asked = await reserveOne(store, claim);
      assert.ok(asked.kind === 'unseeded');
      const startDay = asked.budgets[0]?.startDay ?? 0;
      const seeds = new Map([[rule.name, 500]]);
      const first = await answered(store, { ...claim, seeds });
      assert.deepEqual(
        [first.granted, first.states[0]?.used, first.states[0]?.mark, startDay],
        [true, 800, startDay, Date.UTC(2026, 0, 1) / 86_400_000],
      );
      assert.equal(
        (await answered(store, { ...claim, seeds })).granted,
        false,
        'it is counted in all it is one budget',
      );
      const { generation = 0 } = first.states[0] ?? {};
      const change = { kind: 'budget', name: rule.name, mark: startDay, generation, ageMs: 0 } as const;
      await store.amend([{ ...change, by: -200, whole: 100 }]);
      assert.equal((await answered(store, claim)).states[0]?.used, 900);
      await advance(86_400_000);
      await store.amend([{ ...change, by: 700, whole: 1_000 }]);
      const next = await answered(store, claim);
      assert.deepEqual([next.granted, next.states[0]?.used, next.states[0]?.mark], [true, 300, startDay + 1]);
      const late = { ...change, by: 700, whole: 1_000 };
      await store.amend([late, { ...late, generation: generation + 1 }]);
      assert.equal((await answered(store, claimOf(null, [rule]))).states[0]?.used, 300, 'that period is over');
    },
  );

  promise('asks what a budget begins with before it refuses, whichever rule comes first', async ({ store }) => {
    const [full, budget] = [ruleOf('requests', 1), ruleOf('usd', 1_000, 'day')];
    await answered(store, claimOf('a', [full]));
    for (const both of [
      [full, budget],
      [budget, full],
    ])
      assert.equal((await reserveOne(store, claimOf('b', both, { microUsd: 1 }))).kind, 'unseeded');
  });

  promise('lets in what costs nothing where a budget is spent, and more than spent', async ({ store }) => {
    const rule = ruleOf('usd', 1_000, 'day');
    const seeds = new Map([[rule.name, 1_001]]);
    const refused = await answered(store, claimOf('a', [rule], { microUsd: 1, seeds }));
    assert.deepEqual([refused.granted, refused.states[0]?.resetMs], [false, 86_400_000]);
    assert.ok((await answered(store, claimOf('b', [rule], { seeds }))).granted);
  });
}
