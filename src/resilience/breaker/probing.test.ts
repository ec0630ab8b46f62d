/** Probes of an upstream that is well and slow: those that were given up and come back, and streams, which show early that it is well. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import { BREAKER_DEFAULTS } from './options.ts';
import type { BreakerOptions } from './options.ts';
import type { Permit } from './permit.ts';

interface Bench {
  readonly clock: VirtualClock;
  readonly breaker: Breaker;
  permit(): Permit;
  state(): string;
}

/** Its circuit has opened; `openMs` have passed. */
function halfOpen(options: Partial<BreakerOptions> = {}): Bench {
  const clock = new VirtualClock();
  const given = { ...BREAKER_DEFAULTS, openMs: 10_000, ...options };
  const breaker = new Breaker('upstream', given, { clock, random: { next: () => 0.5 } });
  const permit = (): Permit => {
    const asked = breaker.tryAcquire();
    return asked.granted ? asked : assert.fail(`refused: ${asked.reason}`);
  };
  for (let call = 0; call < 5; call++) permit().failure();
  clock.jump(10_000);
  return { clock, breaker, permit, state: () => breaker.state.kind };
}

/** A probe whose lease has run out. */
function givenUp(bench: Bench): Permit {
  const probe = bench.permit();
  bench.clock.jump(10_000);
  assert.equal(bench.state(), 'open');
  return probe;
}

describe('a probe that was given up', () => {
  it('counts when it succeeds after all: the next may go at once, and its success closes', () => {
    const bench = halfOpen();
    const slow = givenUp(bench);
    bench.clock.jump(1_000);
    slow.success();
    assert.equal(bench.state(), 'half_open');
    bench.permit().success();
    assert.equal(bench.state(), 'closed');
    assert.deepEqual([bench.breaker.inFlight, bench.breaker.lateResults], [0, 0]);
  });

  it('closes the circuit in the end although every answer takes longer than a lease', () => {
    const bench = halfOpen({ openMs: 15_000, openMsMax: 30_000 });
    bench.clock.jump(5_000);
    const out: { probe: Permit; backAt: number }[] = [];
    const { clock, breaker } = bench;
    const begunAt = clock.now();
    while (bench.state() !== 'closed' && clock.now() - begunAt < 600_000) {
      const asked = breaker.tryAcquire();
      if (asked.granted) out.push({ probe: asked, backAt: clock.now() + 40_000 });
      clock.jump(1_000);
      while (out[0] !== undefined && out[0].backAt <= clock.now()) out.shift()?.probe.success();
    }
    assert.equal(clock.now() - begunAt, 70_000, 'two answers, asked for 30 s apart');
  });

  it('has failed already when it fails, and lengthens no wait', () => {
    const bench = halfOpen();
    const slow = givenUp(bench);
    slow.failure(500_000);
    assert.equal(bench.breaker.snapshot().remainingMs, 10_000, 'of 20 s, which began with the probe');
    assert.equal(bench.breaker.lateResults, 1);
  });

  it('puts off the next no longer than one that fails at once: by the wait from its own beginning', () => {
    for (const failsAfterMs of [0, 9_000]) {
      const bench = halfOpen();
      const probe = bench.permit();
      bench.clock.jump(failsAfterMs);
      probe.failure();
      assert.equal(bench.breaker.snapshot().remainingMs, 20_000 - failsAfterMs);
    }
    const told = halfOpen();
    const probe = told.permit();
    told.clock.jump(9_000);
    probe.failure(15_000);
    assert.equal(told.breaker.snapshot().remainingMs, 15_000, 'a Retry-After counts from when it is said');
    const lost = halfOpen();
    lost.permit();
    lost.clock.jump(20_000);
    assert.equal(lost.permit().granted, true, 'nobody looked meanwhile, and nobody is refused for it');
  });

  it('changes nothing once another probe has failed, the circuit has closed, or an operator has spoken', () => {
    const failed = halfOpen();
    const before = givenUp(failed);
    failed.clock.jump(20_000);
    failed.permit().failure();
    before.success();
    assert.deepEqual([failed.state(), failed.breaker.lateResults], ['open', 1]);
    const closed = halfOpen();
    const slow = givenUp(closed);
    closed.clock.jump(20_000);
    closed.permit().success();
    closed.permit().success();
    slow.failure();
    assert.deepEqual(closed.breaker.counts(), { failures: 0, calls: 0 });
    const forced = halfOpen();
    const late = givenUp(forced);
    forced.breaker.forceOpen({ by: 'ann', reason: 'r' });
    late.success();
    assert.equal(forced.state(), 'forced_open');
  });

  it('was not lost where it is back before anybody looked', () => {
    const bench = halfOpen();
    const probe = bench.permit();
    bench.clock.jump(60_000);
    probe.success();
    assert.deepEqual([bench.state(), bench.breaker.trips], ['half_open', 1]);
  });
});

describe('a probe whose answer has begun well', () => {
  it('counts and gives its place back while the answer goes on, once', () => {
    const bench = halfOpen();
    const first = bench.permit();
    first.wellSoFar();
    first.wellSoFar();
    bench.clock.jump(600_000);
    assert.equal(bench.state(), 'half_open');
    first.success();
    assert.equal(bench.state(), 'half_open', 'one probe is one success');
    bench.permit().wellSoFar();
    assert.deepEqual([bench.state(), bench.breaker.inFlight], ['closed', 1]);
  });

  it('opens the circuit again where it fails before others have closed it', () => {
    const bench = halfOpen();
    const probe = bench.permit();
    probe.wellSoFar();
    probe.failure();
    assert.equal(bench.state(), 'open');
    assert.equal(bench.breaker.snapshot().remainingMs, 20_000);
  });

  it('is a call like any other of the circuit that it closed: its failure counts there', () => {
    const bench = halfOpen();
    const streams = [bench.permit()];
    streams[0]?.wellSoFar();
    streams.push(bench.permit());
    streams[1]?.wellSoFar();
    assert.equal(bench.state(), 'closed');
    streams[0]?.failure();
    streams[1]?.success();
    assert.deepEqual(bench.breaker.counts(), { failures: 1, calls: 2 });
    const reset = halfOpen();
    const stream = reset.permit();
    stream.wellSoFar();
    reset.breaker.reset();
    stream.failure();
    assert.deepEqual(reset.breaker.counts(), { failures: 0, calls: 0 }, 'of one that was reset it is none');
  });

  it('says nothing more once it was given back', () => {
    const { breaker, permit, state } = halfOpen();
    const left = permit();
    left[Symbol.dispose]();
    assert.equal(breaker.inFlight, 0);
    left.wellSoFar();
    permit().success();
    assert.equal(state(), 'half_open', 'one of two successes');
  });

  it('changes nothing where the reader leaves it', () => {
    const bench = halfOpen();
    const probe = bench.permit();
    probe.wellSoFar();
    probe.ignore();
    bench.permit().success();
    assert.equal(bench.state(), 'closed');
  });
});
