/** What a breaker may be told, with the defaults of the house, and what it stands on. Every duration is in milliseconds. */
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import { inRange } from '../in-range.ts';
import type { QuotaEvent, Transition } from './events.ts';

export interface BreakerDependencies {
  readonly clock: Clock;
  readonly random: Random;
  /** Called after the transition is in force; what it throws changes nothing. */
  readonly onTransition?: (transition: Transition) => void;
  /** As `onTransition`. */
  readonly onQuota?: (event: QuotaEvent) => void;
}

export interface BreakerOptions {
  /** Failures within the window that open the circuit. 1 to 1000; default 5. */
  readonly failures: number;
  /** The sliding window, in ten buckets. Default 30 s. */
  readonly windowMs: number;
  /** Once the window holds `minCalls`, the share of failures that must be reached as well; 0 makes the count alone decide. Default 0.1. */
  readonly minFailureRate: number;
  /** Calls from which `minFailureRate` is asked. Default 20. */
  readonly minCalls: number;
  /** How long the circuit stays open at first. Default 30 s. */
  readonly openMs: number;
  /** The longest it stays open, however often its probes fail, Default 5 min, or `openMs` where that is longer. */
  readonly openMsMax: number;
  /** Share by which an open wait is drawn longer or shorter, so that instances do not probe together. Default 0.2. */
  readonly jitter: number;
  /** Probes that must succeed in a row to close. Default 2. */
  readonly probeSuccesses: number;
  /** Probes at the same time. Default 1. */
  readonly probesConcurrent: number;
  /** A successful call slower than this counts as a failure; null switches the rule off. Default null. */
  readonly slowCallMs: number | null;
}

export const BREAKER_DEFAULTS: BreakerOptions = Object.freeze({
  failures: 5,
  windowMs: 30_000,
  minFailureRate: 0.1,
  minCalls: 20,
  openMs: 30_000,
  openMsMax: 300_000,
  jitter: 0.2,
  probeSuccesses: 2,
  probesConcurrent: 1,
  slowCallMs: null,
});

/** What each may be, and slowCallMs beside null. */
const BOUNDS: readonly (readonly [name: keyof BreakerOptions, least: number, most?: number])[] = [
  ['failures', 1],
  ['windowMs', 1],
  ['minFailureRate', 0, 1],
  ['minCalls', 0],
  ['openMs', 0],
  ['openMsMax', 0],
  ['jitter', 0, 1],
  ['probeSuccesses', 1],
  ['probesConcurrent', 1],
  ['slowCallMs', 0],
];

/** What is `undefined` is as it is in `defaults`. Throws a `RangeError` for an option with which a circuit would never open, or never close. */
export function checkedOptions(given: Partial<BreakerOptions>, defaults = BREAKER_DEFAULTS): BreakerOptions {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  const options: BreakerOptions = { ...defaults, openMsMax: longestOf(given, defaults), ...Object.fromEntries(said) };
  for (const [name, least, most] of BOUNDS) {
    const value = options[name];
    if (value !== null) inRange(name, value, least, most);
  }
  return options;
}

/** Where only the first wait is given, the longest is no shorter. */
function longestOf({ openMs = 0 }: Partial<BreakerOptions>, { openMsMax }: BreakerOptions): number {
  return Math.max(openMs, openMsMax);
}

/** Longest wait that an upstream's Retry-After, or a peer, can impose. */
const SAID_MS_MAX = 3_600_000;

/** What an upstream or a peer said, within bounds. What came to no number says nothing: a circuit that waited for it would wait for ever. */
export function saidWaitMs(ms: number): number {
  return ms > 0 ? Math.min(ms, SAID_MS_MAX) : 0;
}

/** How long the circuit stays open after `round` rounds of probes that failed, as drawn. */
export function openWaitMs({ openMs, openMsMax, jitter }: BreakerOptions, round: number, random: Random): number {
  const backoff = Math.min(openMs * 2 ** Math.min(round, 30), openMsMax);
  return Math.min(backoff * (1 + jitter * (2 * random.next() - 1)), openMsMax);
}
