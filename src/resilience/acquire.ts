/** A permit for those who make the call themselves and would rather catch than look. */
import type { Breaker } from './breaker/breaker.ts';
import type { Permit } from './breaker/permit.ts';
import { BrokenCircuitError } from './outcome.ts';

/** Throws `BrokenCircuitError` where the breaker refuses. `using permit = acquire(breaker)` ignores what was not settled. */
export function acquire(breaker: Breaker): Permit {
  const asked = breaker.tryAcquire();
  if (asked.granted) return asked;
  throw new BrokenCircuitError(asked);
}
