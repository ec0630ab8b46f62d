/** What a peer's word does to a breaker where it counts as much as one's own experience. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import type { QuotaEvent } from './events.ts';
import { BREAKER_DEFAULTS } from './options.ts';
import type { Permit } from './permit.ts';

function bench(): { clock: VirtualClock; breaker: Breaker; quota: string[]; stateNow: () => string } {
  const clock = new VirtualClock();
  const quota: string[] = [];
  const onQuota = ({ kind }: QuotaEvent): void => void quota.push(kind);
  const breaker = new Breaker('upstream', BREAKER_DEFAULTS, { clock, random: { next: () => 0.5 }, onQuota });
  return { clock, breaker, quota, stateNow: () => breaker.state.kind };
}

function call(breaker: Breaker): Permit {
  const asked = breaker.tryAcquire();
  return asked.granted ? asked : assert.fail(`refused: ${asked.reason}`);
}

describe('a circuit that opened at a peer', () => {
  it('is open for as long, and a later word lengthens that and never shortens it', () => {
    const { clock, breaker, stateNow } = bench();
    breaker.openFor(10_000);
    breaker.openFor(5_000);
    clock.jump(9_999);
    assert.equal(stateNow(), 'open');
    breaker.openFor(20_000);
    clock.jump(19_999);
    assert.equal(stateNow(), 'open');
    clock.jump(1);
    assert.equal(stateNow(), 'half_open');
  });

  it('does not undo an operator’s order, nor does its end', () => {
    const { breaker, stateNow } = bench();
    breaker.forceOpen({ by: 'op', reason: 'maintenance' });
    breaker.openFor(10);
    breaker.endWait();
    breaker.recover();
    assert.equal(stateNow(), 'forced_open');
    breaker.disable({ by: 'op', reason: 'let through' });
    breaker.openFor(10);
    assert.equal(stateNow(), 'disabled');
  });

  it('closes when the peer’s probes succeeded, also while it probes itself', () => {
    const { breaker, stateNow } = bench();
    breaker.openFor(10_000);
    breaker.recover();
    assert.equal(stateNow(), 'closed');
    breaker.openFor(10_000);
    breaker.endWait();
    assert.equal(stateNow(), 'half_open');
    breaker.recover();
    assert.equal(stateNow(), 'closed');
  });

  it('of which one heard late gives a probe its time all the same', () => {
    const { clock, breaker, stateNow } = bench();
    breaker.openFor(1);
    clock.jump(1);
    const probe = breaker.tryAcquire();
    assert.ok(probe.granted);
    clock.jump(1_000);
    assert.equal(stateNow(), 'half_open');
    probe.success();
    assert.equal(stateNow(), 'half_open', 'one of two successes');
  });
});

describe('a quota that was exhausted', () => {
  it('holds calls back as long as a peer was told, and the first that is served afterwards tells so, once', () => {
    const { clock, breaker, quota } = bench();
    const under = call(breaker);
    breaker.holdBack(5_000);
    breaker.holdBack(1_000);
    assert.equal(breaker.throttledForMs, 5_000, 'a later word never shortens it');
    under.success();
    assert.deepEqual(quota, [], 'it was let in before');
    assert.equal(breaker.tryAcquire().granted, false);
    clock.jump(5_000);
    call(breaker).success();
    call(breaker).success();
    assert.deepEqual(quota, ['served']);
  });

  it('is told to the peers where it was exhausted here, and told again once it is served', () => {
    const { clock, breaker, quota } = bench();
    call(breaker).throttled(5_000);
    assert.deepEqual(quota, ['throttled']);
    clock.jump(5_000);
    call(breaker).success();
    call(breaker).success();
    assert.deepEqual(quota, ['throttled', 'served']);
  });

  it('is tried at once where this instance may, and tells where it is served', () => {
    const { breaker, quota } = bench();
    breaker.holdBack(5_000);
    breaker.endHold();
    call(breaker).success();
    assert.deepEqual(quota, ['served']);
  });

  it('is no matter any more where a peer was served: nobody needs telling', () => {
    const { breaker, quota } = bench();
    breaker.holdBack(5_000);
    breaker.endThrottle();
    call(breaker).success();
    assert.deepEqual(quota, []);
  });
});
