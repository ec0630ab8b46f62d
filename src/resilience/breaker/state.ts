/** The states of a breaker. Each carries only its own data, so that no field is ever left over from another state. */

const PROBE_TIMEOUT_MAX_MS = 30_000;

export interface Closed {
  readonly kind: 'closed';
  readonly since: number;
  /** The series of probes that closed it; left out where none did. */
  readonly probedBy?: number;
}

export interface Open {
  readonly kind: 'open';
  readonly since: number;
  /** When a probe may go. */
  readonly until: number;
  /** How many probe rounds have failed since the circuit was last closed. */
  readonly round: number;
  /** Of probes so far: kept where one was given up that may still come back. */
  successes: number;
}

export interface ProbeLease {
  readonly expires: number;
  /** One series lasts until probes have failed or closed the circuit, or somebody else has decided. */
  readonly series: number;
  /** Its upstream has answered, and the answer goes on. */
  proved: boolean;
}

/** The probe that opens a circuit again. */
export interface Tried {
  /** The wait counts from here: a probe that fails slowly, or is given up, puts off the next no longer than one that fails at once. */
  readonly askedAt?: number;
  /** Of probes so far, where this one is given up and may still come back. */
  readonly successes?: number;
}

export interface HalfOpen {
  readonly kind: 'half_open';
  readonly since: number;
  readonly round: number;
  readonly probeTimeoutMs: number;
  successes: number;
  /** When each probe that is out must be back. A lease, not a count: a probe that never settles cannot hold the state. */
  readonly leases: Set<ProbeLease>;
}

export interface ForcedOpen {
  readonly kind: 'forced_open';
  readonly since: number;
  readonly by: string;
  readonly reason: string;
  /** Null: until it is reset. */
  readonly until: number | null;
}

export interface Disabled {
  readonly kind: 'disabled';
  readonly since: number;
  readonly by: string;
  readonly reason: string;
}

export type State = Closed | Open | HalfOpen | ForcedOpen | Disabled;
export type StateKind = State['kind'];

/** The state with remaining durations: what another process needs to go on, whatever its clock says. */
export interface BreakerSnapshot {
  readonly state: StateKind;
  readonly remainingMs: number | null;
  readonly round: number;
  readonly by: string | null;
  readonly reason: string | null;
}

export function snapshotOf(state: State, now: number): BreakerSnapshot {
  const until = state.kind === 'open' || state.kind === 'forced_open' ? state.until : null;
  return {
    state: state.kind,
    remainingMs: until === null ? null : Math.max(0, until - now),
    round: state.kind === 'open' || state.kind === 'half_open' ? state.round : 0,
    by: 'by' in state ? state.by : null,
    reason: 'reason' in state ? state.reason : null,
  };
}

/** What follows a wait that is over. */
export function halfOpenAfter({ since, until, round, successes }: Open, openMs: number, now: number): HalfOpen {
  // One that was told late, or by a snapshot, or whose wait began with a probe, has waited less than a probe may take.
  const probeTimeoutMs = Math.min(Math.max(until - since, openMs), PROBE_TIMEOUT_MAX_MS);
  return { kind: 'half_open', since: now, round, probeTimeoutMs, successes, leases: new Set() };
}

/** When the first of the probes that are out must be back. */
export function soonestBack({ leases }: HalfOpen): number {
  let soonest = Number.POSITIVE_INFINITY;
  for (const { expires } of leases) soonest = Math.min(soonest, expires);
  return soonest;
}

/** A probe that showed the upstream to be well goes on in the circuit that this closed: it is a call of it like any other. */
export function goesOn(state: State, lease: ProbeLease | undefined): boolean {
  return state.kind === 'closed' && lease?.proved === true && lease.series === state.probedBy;
}
