/** An observer that looks away: a test names what it wants to see. */
import type { Observer } from '#contract/observer';
import type { SocketObserver } from '#contract/socket-observer';

const nothing = (): void => undefined;

export const unobserved: Observer = {
  requestStarted: nothing,
  requestFinished: nothing,
  requestShed: nothing,
  attemptFinished: nothing,
  runFinished: nothing,
  turnFinished: nothing,
  queryFinished: nothing,
  poolWaited: nothing,
  runsDropped: nothing,
  contentsDropped: nothing,
  retryBudgetExhausted: nothing,
  ledgerRow: nothing,
  ledgerUnjournalled: nothing,
  memoryFinished: nothing,
  externalFinished: nothing,
  cacheOperation: () => undefined,
  cacheLookup: () => undefined,
  cacheStored: () => undefined,
  cacheGap: () => undefined,
  configReloaded: nothing,
  spansEnded: nothing,
};

export const unobservedSockets: SocketObserver = { opened: nothing, closed: nothing, message: nothing, runs: nothing };
