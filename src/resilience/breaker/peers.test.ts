/** What a peer's word does to a breaker where it counts as much as one's own experience. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import { BREAKER_DEFAULTS } from './options.ts';

function bench(): { clock: VirtualClock; breaker: Breaker; stateNow: () => string } {
  const clock = new VirtualClock();
  const breaker = new Breaker('upstream', BREAKER_DEFAULTS, { clock, random: { next: () => 0.5 } });
  return { clock, breaker, stateNow: () => breaker.state.kind };
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
