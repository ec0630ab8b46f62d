/** The rules of docs/resilience.md that concern the breaker itself, by their numbers. 5, 13 and 14 are those of calls: pipeline.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import type { Transition } from './events.ts';
import { BREAKER_DEFAULTS } from './options.ts';
import type { BreakerOptions } from './options.ts';
import type { Permit } from './permit.ts';
import type { BreakerSnapshot, StateKind } from './state.ts';

interface Bench {
  readonly clock: VirtualClock;
  readonly breaker: Breaker;
  readonly transitions: Transition[];
  permit(): Permit;
  fail(times: number): void;
  succeed(times: number): void;
}

/** Without jitter, so that every wait is what the rules say. */
function bench(options: Partial<BreakerOptions> = {}, listener?: (transition: Transition) => void): Bench {
  const clock = new VirtualClock();
  const transitions: Transition[] = [];
  const onTransition = (transition: Transition): void => {
    transitions.push(transition);
    listener?.(transition);
  };
  const random = { next: () => 0.5 };
  const breaker = new Breaker('upstream', { ...BREAKER_DEFAULTS, ...options }, { clock, random, onTransition });
  const permit = (): Permit => {
    const asked = breaker.tryAcquire();
    return asked.granted ? asked : assert.fail(`refused: ${asked.reason}`);
  };
  return {
    clock,
    breaker,
    transitions,
    permit,
    fail: (times) => {
      for (let call = 0; call < times; call++) permit().failure();
    },
    succeed: (times) => {
      for (let call = 0; call < times; call++) permit().success();
    },
  };
}

/** Asked anew each time: time alone may have moved it. */
function stateOf(breaker: Breaker): StateKind {
  return breaker.state.kind;
}

function refusal(breaker: Breaker): { reason: string; retryAfterMs: number } {
  const asked = breaker.tryAcquire();
  return asked.granted ? assert.fail('granted') : { reason: asked.reason, retryAfterMs: asked.retryAfterMs };
}

describe('tripping', () => {
  it('opens at the fifth failure within 30 s, and not at the fourth', () => {
    const { breaker, fail } = bench();
    fail(4);
    assert.equal(stateOf(breaker), 'closed');
    fail(1);
    assert.equal(stateOf(breaker), 'open');
    assert.equal(breaker.trips, 1);
  });

  it('forgets failures that are older than the window', () => {
    const { breaker, clock, fail } = bench();
    fail(4);
    clock.jump(30_000);
    fail(4);
    assert.equal(stateOf(breaker), 'closed');
    assert.equal(breaker.counts().failures, 4);
  });

  it('asks for a rate as well once the window holds 20 calls', () => {
    const many = bench();
    many.succeed(100);
    many.fail(10);
    assert.equal(stateOf(many.breaker), 'closed', '10 of 110 are below 10 %');
    many.fail(2);
    assert.equal(stateOf(many.breaker), 'open', '12 of 112 are not');
    const pure = bench({ minFailureRate: 0 });
    pure.succeed(1_000);
    pure.fail(5);
    assert.equal(stateOf(pure.breaker), 'open', 'the pure count');
  });

  it('takes a slow success for a failure only where it is told to', () => {
    for (const [slowCallMs, state] of [
      [null, 'closed'],
      [1_000, 'open'],
    ] as const) {
      const { breaker, clock, permit } = bench({ slowCallMs });
      for (let call = 0; call < 5; call++) {
        const slow = permit();
        clock.jump(1_001);
        slow.success();
      }
      assert.equal(stateOf(breaker), state);
    }
  });
});

describe('the wait', () => {
  it('doubles with each failed probe up to its bound', () => {
    const { breaker, clock, fail, permit } = bench({ openMs: 1_000, openMsMax: 5_000 });
    fail(5);
    for (const waitMs of [1_000, 2_000, 4_000, 5_000, 5_000]) {
      assert.deepEqual(refusal(breaker), { reason: 'open', retryAfterMs: waitMs });
      clock.jump(waitMs);
      permit().failure();
    }
  });

  it('is drawn within ±20 %, so that instances do not probe together', () => {
    const waits = [0, 0.25, 0.75, 0.999].map((drawn) => {
      const breaker = new Breaker('upstream', BREAKER_DEFAULTS, {
        clock: new VirtualClock(),
        random: { next: () => drawn },
      });
      for (let call = 0; call < 5; call++) {
        const asked = breaker.tryAcquire();
        if (asked.granted) asked.failure();
      }
      return refusal(breaker).retryAfterMs;
    });
    assert.deepEqual(waits, [24_000, 27_000, 33_000, 35_988]);
  });

  it('gives way to a Retry-After that is longer, and not to a shorter one', () => {
    const longer = bench();
    longer.fail(4);
    longer.permit().failure(90_000);
    assert.equal(refusal(longer.breaker).retryAfterMs, 90_000);
    const shorter = bench();
    shorter.fail(4);
    shorter.permit().failure(10);
    assert.equal(refusal(shorter.breaker).retryAfterMs, 30_000);
  });
});

describe('rule 1: a permit belongs to a generation', () => {
  it('a result from before a transition changes nothing and is counted as late', () => {
    const { breaker, clock, fail, permit } = bench();
    const old = [permit(), permit(), permit()];
    fail(5);
    for (const each of old.slice(0, 2)) each.success();
    assert.equal(stateOf(breaker), 'open');
    clock.jump(30_000);
    const probe = permit();
    old[2]?.failure();
    assert.equal(stateOf(breaker), 'half_open', 'a late failure fails no probe');
    assert.equal(breaker.lateResults, 3);
    probe.success();
    permit().success();
    assert.equal(stateOf(breaker), 'closed');
    assert.equal(breaker.inFlight, 0);
  });
});

describe('rule 2: a probe is a lease', () => {
  it('a probe that never settles reopens the circuit when its lease runs out', () => {
    const { breaker, clock, fail, permit } = bench({ openMs: 10_000 });
    fail(5);
    clock.jump(10_000);
    permit();
    clock.jump(9_999);
    assert.equal(stateOf(breaker), 'half_open');
    clock.jump(1);
    assert.equal(stateOf(breaker), 'open');
    assert.equal(refusal(breaker).retryAfterMs, 10_000);
  });

  it('a lease is 30 s at most', () => {
    const { breaker, clock, fail, permit } = bench({ openMs: 200_000 });
    fail(5);
    clock.jump(200_000);
    permit();
    clock.jump(30_000);
    assert.equal(stateOf(breaker), 'open');
  });
});

describe('rule 3: an ignored probe', () => {
  it('gives its place back and changes nothing', () => {
    const { breaker, clock, fail, permit } = bench();
    fail(5);
    clock.jump(30_000);
    permit().ignore();
    assert.equal(stateOf(breaker), 'half_open');
    permit().success();
    permit().success();
    assert.equal(stateOf(breaker), 'closed');
  });
});

describe('rule 4: a full half-open circuit', () => {
  it('rejects with the time until the lease runs out, and queues nobody', () => {
    const { breaker, clock, fail, permit } = bench();
    fail(5);
    clock.jump(30_000);
    permit();
    clock.jump(12_000);
    assert.deepEqual(refusal(breaker), { reason: 'half_open_full', retryAfterMs: 18_000 });
    assert.equal(breaker.inFlight, 1);
  });
});

describe('rule 6: throttling', () => {
  it('is a path of its own: no failure, but calls wait as long as the upstream asks', () => {
    const { breaker, clock, permit } = bench();
    for (let call = 0; call < 10; call++) {
      permit().throttled(2_000);
      assert.deepEqual(refusal(breaker), { reason: 'throttled', retryAfterMs: 2_000 });
      clock.jump(2_000);
    }
    assert.deepEqual([stateOf(breaker), breaker.counts().failures], ['closed', 0]);
    permit().throttled();
    assert.equal(refusal(breaker).retryAfterMs, 1_000, 'one second where it gave none');
    clock.jump(1_000);
    permit().throttled(10 * 3_600_000);
    assert.equal(refusal(breaker).retryAfterMs, 3_600_000, 'an hour at most');
  });
});

describe('rule 8: the window', () => {
  it('is empty when a circuit closes', () => {
    const { breaker, clock, fail, succeed } = bench({ openMs: 1_000 });
    fail(5);
    clock.jump(1_000);
    succeed(2);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 0 });
    fail(4);
    assert.equal(stateOf(breaker), 'closed');
  });
});

describe('rule 9: time', () => {
  it('moves states when they are looked at, without any timer', () => {
    const { breaker, clock, fail } = bench();
    fail(5);
    assert.equal(clock.pending, 0);
    clock.jump(30_000);
    assert.equal(stateOf(breaker), 'half_open');
    assert.equal(clock.pending, 0);
  });
});

describe('rule 10: listeners', () => {
  it('hear of a transition after it is in force, and what they throw changes nothing', () => {
    const seen: string[] = [];
    const { breaker, fail, transitions } = bench({}, () => {
      seen.push(stateOf(breaker));
      throw new Error('a listener that fails');
    });
    fail(5);
    assert.deepEqual(seen, ['open']);
    assert.equal(breaker.listenerFailures, 1);
    assert.partialDeepStrictEqual(transitions, [{ key: 'upstream', from: 'closed', to: 'open', remainingMs: 30_000 }]);
  });

  it('hear once of an order that is repeated', () => {
    const { breaker, transitions } = bench();
    breaker.reset();
    breaker.forceOpen({ by: 'ann', reason: 'a' });
    breaker.forceOpen({ by: 'bob', reason: 'b' });
    breaker.disable({ by: 'ann', reason: 'c' });
    breaker.disable({ by: 'ann', reason: 'c' });
    breaker.reset();
    breaker.reset();
    assert.deepEqual(
      transitions.map(({ to }) => to),
      ['forced_open', 'disabled', 'closed'],
    );
  });
});

describe('rule 15: an operator', () => {
  it('forces open for a time, whatever calls say', () => {
    const { breaker, clock, permit, succeed } = bench();
    const running = permit();
    breaker.forceOpen({ by: 'ann', reason: 'maintenance', forMs: 60_000 });
    running.success();
    assert.deepEqual(refusal(breaker), { reason: 'forced_open', retryAfterMs: 60_000 });
    clock.jump(60_000);
    succeed(1);
    assert.equal(stateOf(breaker), 'closed');
  });

  it('keeps it open without a time until reset', () => {
    const { breaker, clock } = bench();
    breaker.forceOpen({ by: 'ann', reason: 'maintenance' });
    clock.jump(365 * 24 * 3_600_000);
    assert.equal(refusal(breaker).reason, 'forced_open');
    breaker.reset();
    assert.equal(stateOf(breaker), 'closed');
  });

  it('disables: every call goes through and none counts, throttling included', () => {
    const { breaker, permit, fail } = bench();
    permit().throttled(60_000);
    breaker.disable({ by: 'ann', reason: 'the check is wrong' });
    fail(50);
    assert.equal(stateOf(breaker), 'disabled');
    assert.equal(breaker.counts().failures, 0);
  });
});

describe('suspicion', () => {
  it('lets one failure open a circuit that a peer saw fail, until three successes in a row or its end', () => {
    const tripped = bench();
    tripped.breaker.markSuspect(10_000);
    assert.equal(tripped.breaker.suspect, true);
    tripped.fail(1);
    assert.equal(stateOf(tripped.breaker), 'open');
    const cleared = bench();
    cleared.breaker.markSuspect(10_000);
    cleared.succeed(3);
    assert.equal(cleared.breaker.suspect, false);
    cleared.fail(4);
    assert.equal(stateOf(cleared.breaker), 'closed');
    const over = bench();
    over.breaker.markSuspect(10_000);
    over.clock.jump(10_000);
    over.fail(4);
    assert.equal(stateOf(over.breaker), 'closed');
  });

  it('keeps the rate, so that a peer’s word alone does not open a busy healthy circuit', () => {
    const { breaker, succeed, fail } = bench();
    succeed(100);
    breaker.markSuspect(10_000);
    fail(1);
    assert.equal(stateOf(breaker), 'closed');
  });
});

describe('a permit', () => {
  it('settles once: the first word counts', () => {
    const { breaker, permit } = bench();
    const one = permit();
    one.failure();
    one.success();
    one.failure();
    one[Symbol.dispose]();
    assert.deepEqual(breaker.counts(), { failures: 1, calls: 1 });
    assert.equal(breaker.inFlight, 0);
  });
});

describe('a snapshot', () => {
  it('carries every state to another breaker, with what remains of its wait', () => {
    const order = { by: 'ann', reason: 'r' };
    const nobody = { by: null, reason: null };
    const states: [(one: Bench) => void, Omit<BreakerSnapshot, 'round'>][] = [
      [() => undefined, { state: 'closed', remainingMs: null, ...nobody }],
      [({ fail }) => fail(5), { state: 'open', remainingMs: 20_000, ...nobody }],
      [
        ({ breaker }) => breaker.forceOpen({ ...order, forMs: 40_000 }),
        { state: 'forced_open', remainingMs: 30_000, ...order },
      ],
      [({ breaker }) => breaker.forceOpen(order), { state: 'forced_open', remainingMs: null, ...order }],
      [({ breaker }) => breaker.disable(order), { state: 'disabled', remainingMs: null, ...order }],
    ];
    for (const [bring, expected] of states) {
      const from = bench();
      bring(from);
      from.clock.jump(10_000);
      const snapshot = from.breaker.snapshot();
      assert.deepEqual(snapshot, { ...expected, round: 0 });
      const to = bench();
      to.clock.jump(777_777);
      to.breaker.hydrate(snapshot);
      assert.deepEqual(to.breaker.snapshot(), snapshot);
    }
  });

  it('brings a half-open circuit back as one that may probe at once', () => {
    const from = bench();
    from.fail(5);
    from.clock.jump(30_000);
    from.permit();
    const to = bench();
    to.breaker.hydrate(from.breaker.snapshot());
    assert.equal(to.permit().probe, true);
  });
});
