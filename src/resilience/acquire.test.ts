import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { acquire } from './acquire.ts';
import { Breaker } from './breaker/breaker.ts';
import { BREAKER_DEFAULTS } from './breaker/options.ts';
import { BrokenCircuitError } from './outcome.ts';

it('acquire gives a permit that lets go of itself, and throws where the circuit is open', () => {
  const options = { ...BREAKER_DEFAULTS, failures: 1 };
  const breaker = new Breaker('upstream', options, { clock: new VirtualClock(), random: { next: () => 0.5 } });
  {
    using permit = acquire(breaker);
    assert.equal(breaker.inFlight, 1);
    assert.equal(permit.probe, false);
  }
  assert.deepEqual([breaker.inFlight, breaker.counts().calls], [0, 0]);
  {
    using permit = acquire(breaker);
    permit.failure();
  }
  assert.throws(
    () => acquire(breaker),
    (error) => error instanceof BrokenCircuitError && error.retryAfterMs === 30_000 && error.stack === String(error),
  );
});
