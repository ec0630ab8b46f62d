/** The states of a breaker. Each carries only its own data, so that no field is ever left over from another state. */

export interface Closed {
  readonly kind: 'closed';
  readonly since: number;
}

export interface Open {
  readonly kind: 'open';
  readonly since: number;
  /** When a probe may go. */
  readonly until: number;
  /** How many probe rounds have failed since the circuit was last closed. */
  readonly round: number;
}

export interface HalfOpen {
  readonly kind: 'half_open';
  readonly since: number;
  readonly round: number;
  readonly probeTimeoutMs: number;
  successes: number;
  /** When each probe that is out must be back. A lease, not a count: a probe that never settles cannot hold the state. */
  readonly leases: Set<{ readonly expires: number }>;
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
