/** Health as the checks report it and the routes show it. */

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy';

export interface CheckOutcome {
  readonly status: HealthStatus;
  /** One sentence a person understands, without secrets. */
  readonly detail: string;
  /** Figures, units in the names. */
  readonly data?: Readonly<Record<string, number | string | boolean | null>>;
}

export interface HealthCheck {
  readonly name: string;
  /** `docs/runbooks/<runbook>.md`. */
  readonly runbook: string;
  /** Whether the hub cannot serve at all without it: only such a check turns readiness red. */
  readonly servesWithout: boolean;
  /** The runner gives up after this and reports `unhealthy`. */
  readonly timeoutMs: number;
  check(signal: AbortSignal): Promise<CheckOutcome> | CheckOutcome;
}

export interface CheckReport extends CheckOutcome {
  readonly name: string;
  readonly runbook: string;
  readonly tookMs: number;
  /** Since when the status is what it is, ISO 8601. */
  readonly since: string;
}

export interface HealthReport {
  readonly status: HealthStatus;
  readonly version: string;
  readonly instance: string;
  readonly uptimeSeconds: number;
  readonly checks: readonly CheckReport[];
}

/** A check came to another status than it had. */
export interface HealthChange {
  readonly name: string;
  /** Null for the first result of a check. */
  readonly from: HealthStatus | null;
  readonly to: HealthStatus;
  readonly detail: string;
  /** ISO 8601. */
  readonly at: string;
}

export interface Readiness {
  readonly ready: boolean;
  /** Why not, in one sentence; empty when ready. */
  readonly reason: string;
}

export interface Health {
  /** Asks nothing of anything. */
  live(): { readonly status: 'healthy'; readonly uptimeSeconds: number };
  ready(): Promise<Readiness>;
  report(): Promise<HealthReport>;
  /** The newest first; so many as `limits.healthChangesMax`, of this process. */
  history(): readonly HealthChange[];
  /** Turns readiness red for good; `reason` is shown. */
  drain(reason: string): void;
  readonly draining: boolean;
}
