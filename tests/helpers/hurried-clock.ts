/** The system's clock, many times as fast: waits in vain are over soon, and what really happens still can. */
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';

const HURRY = 40;

export const hurried: Clock = {
  now: () => systemClock.now() * HURRY,
  wallMs: () => systemClock.wallMs(),
  schedule: (delayMs, callback, keepsAlive) => systemClock.schedule(delayMs / HURRY, callback, keepsAlive),
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / HURRY, signal),
};
