/**
 * Random commands against a small reference that keeps every result in a list and looks at all of it each time. From a seed, which a
 * failure prints; every state and every transition must have been reached, or the run has proved too little.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom } from '#core/random';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import { BREAKER_DEFAULTS } from './options.ts';
import type { Permit } from './permit.ts';
import type { StateKind } from './state.ts';

const OPTIONS = { ...BREAKER_DEFAULTS, windowMs: 10_000, openMs: 4_000, openMsMax: 20_000, jitter: 0, minCalls: 8 };
const SLOT_MS = 1_000;
const SEEDS = 300;
const COMMANDS = 200;

interface ModelPermit {
  readonly era: number;
  readonly probe: { endsAt: number } | undefined;
}

/** The rules in their plainest form: nothing is counted ahead, everything is looked up. */
class Model {
  now = 0;
  kind: StateKind = 'closed';
  era = 0;
  until = Number.POSITIVE_INFINITY;
  round = 0;
  opened = 0;
  results: { at: number; failed: boolean }[] = [];
  probes = new Set<{ endsAt: number }>();
  probesWell = 0;
  throttledUntil = 0;
  suspectUntil = 0;
  wellInARow = 0;

  enter(kind: StateKind, until = Number.POSITIVE_INFINITY): void {
    this.kind = kind;
    this.era++;
    this.until = until;
    this.probes.clear();
    this.probesWell = 0;
    this.wellInARow = 0;
    if (kind === 'closed') this.results = [];
  }

  open(round: number, retryAfterMs: number): void {
    this.round = round;
    this.opened = this.now;
    const waitMs = Math.min(OPTIONS.openMs * 2 ** round, OPTIONS.openMsMax);
    this.enter('open', this.now + Math.max(waitMs, retryAfterMs));
  }

  settleTime(): void {
    if (this.kind === 'forced_open' && this.now >= this.until) this.enter('closed');
    if (this.kind === 'open' && this.now >= this.until) {
      this.leaseMs = Math.min(this.until - this.opened, 30_000);
      this.enter('half_open');
    } else if (this.kind === 'half_open' && [...this.probes].some(({ endsAt }) => this.now >= endsAt)) {
      this.open(this.round + 1, 0);
    }
  }
  leaseMs = 0;

  ask(): ModelPermit | string {
    this.settleTime();
    if (this.now < this.throttledUntil && this.kind !== 'disabled') return 'throttled';
    if (this.kind === 'open' || this.kind === 'forced_open') return this.kind;
    if (this.kind !== 'half_open') return { era: this.era, probe: undefined };
    if (this.probes.size > 0) return 'half_open_full';
    const probe = { endsAt: this.now + this.leaseMs };
    this.probes.add(probe);
    return { era: this.era, probe };
  }

  settle({ era, probe }: ModelPermit, result: string, retryAfterMs: number): void {
    this.settleTime();
    if (era !== this.era || this.kind === 'disabled') return;
    if (probe !== undefined) this.probes.delete(probe);
    if (result === 'ignore') return;
    if (result === 'throttled') {
      this.throttledUntil = Math.max(this.throttledUntil, this.now + (retryAfterMs || 1_000));
      return;
    }
    if (this.kind === 'half_open') {
      if (result === 'failure') this.open(this.round + 1, retryAfterMs);
      else if (++this.probesWell === OPTIONS.probeSuccesses) this.enter('closed');
      return;
    }
    const failed = result === 'failure';
    this.results.push({ at: this.now, failed });
    if (!failed) {
      if (this.now < this.suspectUntil && ++this.wellInARow >= 3) this.suspectUntil = 0;
      return;
    }
    this.wellInARow = 0;
    const { failures, calls } = this.counts();
    if (failures < (this.now < this.suspectUntil ? 1 : OPTIONS.failures)) return;
    if (calls < OPTIONS.minCalls || failures / calls >= OPTIONS.minFailureRate) this.open(0, retryAfterMs);
  }

  counts(): { failures: number; calls: number } {
    const slot = Math.floor(this.now / SLOT_MS);
    const inside = this.results.filter(({ at }) => Math.floor(at / SLOT_MS) > slot - 10);
    return { failures: inside.filter(({ failed }) => failed).length, calls: inside.length };
  }
}

interface Run {
  readonly states: Set<string>;
  readonly transitions: Set<string>;
}

/** Returns what it reached; throws with the seed and the step where the two differ. */
function run(seed: number, { states, transitions }: Run): void {
  const random = seededRandom(seed);
  const clock = new VirtualClock();
  const onTransition = ({ from, to }: { from: string; to: string }): void => void transitions.add(`${from} → ${to}`);
  const breaker = new Breaker('upstream', OPTIONS, { clock, random: { next: () => 0.5 }, onTransition });
  const model = new Model();
  const held: { permit: Permit; model: ModelPermit }[] = [];
  const below = (bound: number): number => Math.floor(random.next() * bound);
  const order = { by: 'seed', reason: 'model' };

  const commands: readonly [weight: number, command: () => void][] = [
    [40, ask],
    [40, settle],
    [20, () => pass([50, 900, 1_000, 4_000, 9_000, 40_000][below(6)] ?? 0)],
    [
      1,
      () =>
        both(
          () => breaker.forceOpen(order),
          () => model.enter('forced_open'),
        ),
    ],
    [
      2,
      () =>
        both(
          () => breaker.forceOpen({ ...order, forMs: 3_000 }),
          () => model.enter('forced_open', model.now + 3_000),
        ),
    ],
    [
      1,
      () =>
        both(
          () => breaker.disable(order),
          () => model.enter('disabled'),
        ),
    ],
    [3, reset],
    [3, suspect],
  ];

  function both(real: () => void, reference: () => void): void {
    real();
    reference();
  }
  function ask(): void {
    const asked = breaker.tryAcquire();
    const expected = model.ask();
    assert.equal(asked.granted ? 'granted' : asked.reason, typeof expected === 'string' ? expected : 'granted');
    if (!asked.granted || typeof expected === 'string') return;
    assert.equal(asked.probe, expected.probe !== undefined);
    if (held.length < 20) held.push({ permit: asked, model: expected });
    else
      both(
        () => asked.ignore(),
        () => model.settle(expected, 'ignore', 0),
      );
  }
  function settle(): void {
    const [one] = held.splice(below(held.length), 1);
    if (one === undefined) return;
    const result = (['success', 'success', 'failure', 'failure', 'throttled', 'ignore'] as const)[below(6)] ?? 'ignore';
    const retryAfterMs = below(4) === 0 ? 7_000 : 0;
    if (result === 'success' || result === 'ignore') one.permit[result]();
    else one.permit[result](retryAfterMs);
    model.settle(one.model, result, retryAfterMs);
  }
  function pass(ms: number): void {
    clock.jump(ms);
    model.now += ms;
  }
  function reset(): void {
    breaker.reset();
    model.throttledUntil = 0;
    model.suspectUntil = 0;
    model.enter('closed');
  }
  function suspect(): void {
    breaker.markSuspect(5_000);
    if (model.kind !== 'closed') return;
    model.suspectUntil = Math.max(model.suspectUntil, model.now + 5_000);
    model.wellInARow = 0;
  }

  const total = commands.reduce((sum, [weight]) => sum + weight, 0);
  for (let step = 0; step < COMMANDS; step++) {
    let drawn = random.next() * total;
    const [, command] = commands.find(([weight]) => (drawn -= weight) < 0) ?? [0, ask];
    try {
      command();
      model.settleTime();
      assert.equal(breaker.state.kind, model.kind);
      assert.deepEqual(breaker.counts(), model.kind === 'closed' ? model.counts() : breaker.counts());
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}, at ${model.now} ms`, { cause: error });
    }
    states.add(model.kind);
  }
  for (const { permit } of held) permit.ignore();
  assert.equal(breaker.inFlight, 0, `seed ${seed}: permits were lost`);
}

it(`a breaker does what the reference does, over ${SEEDS} seeds of ${COMMANDS} commands, and reaches everything`, () => {
  const reached: Run = { states: new Set(), transitions: new Set() };
  for (let seed = 1; seed <= SEEDS; seed++) run(seed, reached);
  assert.deepEqual([...reached.states].toSorted(), ['closed', 'disabled', 'forced_open', 'half_open', 'open']);
  const operators = ['closed', 'open', 'half_open', 'forced_open', 'disabled'].flatMap((from) =>
    ['forced_open', 'disabled', 'closed'].filter((to) => to !== from).map((to) => `${from} → ${to}`),
  );
  const own = ['closed → open', 'open → half_open', 'half_open → open', 'half_open → closed', 'forced_open → closed'];
  assert.deepEqual([...reached.transitions].toSorted(), [...new Set([...operators, ...own])].toSorted());
});
