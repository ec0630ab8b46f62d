/**
 * Random commands against a small reference that keeps every result in a list and looks at all of it each time. From a seed, which a
 * failure prints; every state and every transition must have been reached, or the run has proved too little.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom } from '#core/random';
import type { Random } from '#core/random';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import type { Transition } from './events.ts';
import { BREAKER_DEFAULTS } from './options.ts';
import type { Permit } from './permit.ts';
import type { StateKind } from './state.ts';

const OPTIONS = {
  ...BREAKER_DEFAULTS,
  minFailureRate: 0.5,
  windowMs: 10_000,
  openMs: 4_000,
  openMsMax: 20_000,
  jitter: 0,
  minCalls: 8,
};
const SLOT_MS = 1_000;
const SEEDS = 300;
const COMMANDS = 200;

interface ModelProbe {
  readonly askedAt: number;
  readonly endsAt: number;
  readonly series: number;
  proved: boolean;
}

interface ModelPermit {
  readonly era: number;
  readonly probe: ModelProbe | undefined;
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
  probes = new Set<ModelProbe>();
  probesWell = 0;
  /** Of probes: over as soon as anything but a lost one has decided. */
  series = 0;
  closedBySeries = -1;
  /** What is rare: a run that never met it proves nothing of it. */
  readonly met = new Set<string>();
  throttledUntil = 0;
  suspectUntil = 0;
  wellInARow = 0;

  enter(kind: StateKind, until = Number.POSITIVE_INFINITY): void {
    this.series++;
    this.probesWell = 0;
    this.closedBySeries = -1;
    this.move(kind, until);
    if (kind === 'closed') this.results = [];
  }

  /** As `enter`, of a series that goes on. */
  move(kind: StateKind, until = Number.POSITIVE_INFINITY): void {
    this.kind = kind;
    this.era++;
    this.until = until;
    this.probes.clear();
    this.wellInARow = 0;
  }

  waitMs(round: number): number {
    this.round = round;
    this.opened = this.now;
    return Math.min(OPTIONS.openMs * 2 ** round, OPTIONS.openMsMax);
  }

  open(round: number, retryAfterMs: number, askedAt = this.now): void {
    this.enter('open', Math.max(askedAt + this.waitMs(round), this.now + retryAfterMs));
  }

  halfOpen(): void {
    this.leaseMs = Math.min(Math.max(this.until - this.opened, OPTIONS.openMs), 30_000);
    this.move('half_open');
  }

  settleTime(): void {
    if (this.kind === 'forced_open' && this.now >= this.until) this.enter('closed');
    const lost = [...this.probes].find(({ endsAt }) => this.now >= endsAt);
    if (this.kind === 'half_open' && lost !== undefined)
      this.move('open', Math.max(lost.askedAt + this.waitMs(this.round + 1), this.now));
    if (this.kind === 'open' && this.now >= this.until) {
      if (lost !== undefined) this.met.add('nobody looked until a lost probe’s wait was over');
      this.halfOpen();
    }
  }
  leaseMs = 0;

  ask(): ModelPermit | string {
    this.settleTime();
    if (this.now < this.throttledUntil && this.kind !== 'disabled') return 'throttled';
    if (this.kind === 'open' || this.kind === 'forced_open') return this.kind;
    if (this.kind !== 'half_open') return { era: this.era, probe: undefined };
    if (this.probes.size > 0) return 'half_open_full';
    const probe = { askedAt: this.now, endsAt: this.now + this.leaseMs, series: this.series, proved: false };
    this.probes.add(probe);
    return { era: this.era, probe };
  }

  /** Whether what comes back is a probe of a series that nothing has decided. */
  probing(probe: ModelProbe | undefined): probe is ModelProbe {
    if (probe !== undefined) this.probes.delete(probe);
    this.settleTime();
    return probe?.series === this.series && (this.kind === 'half_open' || this.kind === 'open');
  }

  probeWell(): void {
    const { series } = this;
    if (this.kind === 'open') this.met.add('a probe that was given up came back');
    if (++this.probesWell === OPTIONS.probeSuccesses) {
      this.enter('closed');
      this.closedBySeries = series;
    } else if (this.kind === 'open') this.halfOpen();
  }

  prove({ probe }: ModelPermit): void {
    if (!this.probing(probe) || probe.proved) return;
    probe.proved = true;
    this.probeWell();
  }

  settle({ era, probe }: ModelPermit, result: string, retryAfterMs: number): void {
    const probing = this.probing(probe);
    const ofClosed =
      this.kind === 'closed' && (era === this.era || (probe?.proved && probe.series === this.closedBySeries));
    if ((!probing && !ofClosed) || result === 'ignore') return;
    if (result === 'throttled') {
      this.throttledUntil = Math.max(this.throttledUntil, this.now + (retryAfterMs || 1_000));
      return;
    }
    if (probing) {
      if (result === 'success') {
        if (!probe.proved) this.probeWell();
      } else if (probe.proved) this.open(this.round + 1, retryAfterMs);
      else if (era === this.era) this.open(this.round + 1, retryAfterMs, probe.askedAt);
      return;
    }
    const failed = result === 'failure';
    if (era !== this.era) this.met.add(`a probe went on in the closed circuit: ${result}`);
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

interface Reached {
  readonly states: Set<string>;
  readonly transitions: Set<string>;
  readonly met: Set<string>;
}

/** The breaker and the reference, given the same commands. */
class Pair {
  readonly clock = new VirtualClock();
  readonly model = new Model();
  readonly breaker: Breaker;
  readonly #random: Random;
  readonly #held: { permit: Permit; model: ModelPermit }[] = [];

  constructor(random: Random, onTransition: (transition: Transition) => void) {
    this.#random = random;
    this.breaker = new Breaker('upstream', OPTIONS, { clock: this.clock, random: { next: () => 0.5 }, onTransition });
  }

  below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  ask(): void {
    const asked = this.breaker.tryAcquire();
    const expected = this.model.ask();
    assert.equal(asked.granted ? 'granted' : asked.reason, typeof expected === 'string' ? expected : 'granted');
    if (!asked.granted || typeof expected === 'string') return;
    assert.equal(asked.probe, expected.probe !== undefined);
    this.#held.push({ permit: asked, model: expected });
    if (this.#held.length > 20) this.settle();
  }

  settle(): void {
    const [one] = this.#held.splice(this.below(this.#held.length), 1);
    if (one === undefined) return;
    const results = ['success', 'success', 'failure', 'failure', 'throttled', 'ignore'] as const;
    const result = results[this.below(results.length)] ?? 'ignore';
    const retryAfterMs = this.below(4) === 0 ? 7_000 : 0;
    if (result === 'success' || result === 'ignore') one.permit[result]();
    else one.permit[result](retryAfterMs);
    this.model.settle(one.model, result, retryAfterMs);
  }

  prove(): void {
    const one = this.#held[this.below(this.#held.length)];
    if (one === undefined) return;
    one.permit.wellSoFar();
    this.model.prove(one.model);
  }

  pass(): void {
    const ms = [50, 900, 1_000, 4_000, 9_000, 40_000][this.below(6)] ?? 0;
    this.clock.jump(ms);
    this.model.now += ms;
  }

  force(): void {
    const forMs = this.below(3) === 0 ? undefined : 3_000;
    this.breaker.forceOpen({ by: 'seed', reason: 'model', forMs });
    this.model.enter('forced_open', forMs === undefined ? Number.POSITIVE_INFINITY : this.model.now + forMs);
  }

  disable(): void {
    this.breaker.disable({ by: 'seed', reason: 'model' });
    this.model.enter('disabled');
  }

  reset(): void {
    this.breaker.reset();
    this.model.throttledUntil = 0;
    this.model.suspectUntil = 0;
    this.model.enter('closed');
  }

  suspect(): void {
    this.breaker.markSuspect(5_000);
    if (this.model.kind !== 'closed') return;
    this.model.suspectUntil = Math.max(this.model.suspectUntil, this.model.now + 5_000);
    this.model.wellInARow = 0;
  }

  compare(): void {
    this.model.settleTime();
    assert.equal(this.breaker.state.kind, this.model.kind);
    if (this.model.kind === 'closed') assert.deepEqual(this.breaker.counts(), this.model.counts());
  }

  finish(): void {
    for (const { permit } of this.#held) permit.ignore();
    assert.equal(this.breaker.inFlight, 0, 'permits were lost');
  }
}

/** How often each is drawn, of a hundred and some. */
const COMMANDS_BY_WEIGHT = [
  [40, 'ask'],
  [40, 'settle'],
  [20, 'pass'],
  [10, 'prove'],
  [3, 'force'],
  [1, 'disable'],
  [3, 'reset'],
  [3, 'suspect'],
] as const;
const WEIGHTS = COMMANDS_BY_WEIGHT.reduce((sum, [weight]) => sum + weight, 0);

function drawn(random: Random): (typeof COMMANDS_BY_WEIGHT)[number][1] {
  let rest = random.next() * WEIGHTS;
  return COMMANDS_BY_WEIGHT.find(([weight]) => (rest -= weight) < 0)?.[1] ?? 'ask';
}

/** Adds what it reached; throws with the seed and the step where the two differ. */
function run(seed: number, { states, transitions, met }: Reached): void {
  const random = seededRandom(seed);
  const pair = new Pair(random, ({ from, to }) => transitions.add(`${from} → ${to}`));
  for (let step = 0; step < COMMANDS; step++) {
    const command = drawn(random);
    try {
      pair[command]();
      pair.compare();
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step} (${command}), at ${pair.model.now} ms`, { cause: error });
    }
    states.add(pair.model.kind);
  }
  pair.finish();
  for (const each of pair.model.met) met.add(each);
}

it(`a breaker does what the reference does, over ${SEEDS} seeds of ${COMMANDS} commands, and reaches everything`, () => {
  const reached: Reached = { states: new Set(), transitions: new Set(), met: new Set() };
  for (let seed = 1; seed <= SEEDS; seed++) run(seed, reached);
  assert.deepEqual([...reached.states].toSorted(), ['closed', 'disabled', 'forced_open', 'half_open', 'open']);
  const operators = ['closed', 'open', 'half_open', 'forced_open', 'disabled'].flatMap((from) =>
    ['forced_open', 'disabled', 'closed'].filter((to) => to !== from).map((to) => `${from} → ${to}`),
  );
  const own = ['closed → open', 'open → half_open', 'half_open → open', 'half_open → closed', 'forced_open → closed'];
  assert.deepEqual([...reached.transitions].toSorted(), [...new Set([...operators, ...own])].toSorted());
  assert.deepEqual([...reached.met].toSorted(), [
    'a probe that was given up came back',
    'a probe went on in the closed circuit: failure',
    'a probe went on in the closed circuit: success',
    'nobody looked until a lost probe’s wait was over',
  ]);
});
