/** How the upstreams are, by their breakers and their last calls: looking never costs money. */
import type { BreakerStatus } from '#contract/breakers';
import type { DeploymentStatus } from '#contract/gateway';
import type { HealthCheck } from '#contract/health';

export interface ProvidersCheckOptions {
  readonly deployments: () => readonly DeploymentStatus[];
  readonly breaker: (key: string) => BreakerStatus | null;
}

/** Names shown in the detail; the API lists them all. */
const NAMES_MAX = 5;
const LETS_THROUGH: ReadonlySet<string> = new Set(['closed', 'disabled']);

export function providersCheck({ deployments, breaker }: ProvidersCheckOptions): HealthCheck {
  const stateOf = (one: DeploymentStatus): BreakerStatus['state'] => breaker(one.breaker)?.state ?? 'closed';
  return {
    name: 'providers',
    runbook: 'providers',
    // With every circuit open the hub still answers, with a last resort or an honest 503; taking it from the balancer helps nobody.
    servesWithout: true,
    timeoutMs: 500,
    check() {
      const all = deployments();
      const away = all.filter((one) => !LETS_THROUGH.has(stateOf(one)));
      const data = { deployments: all.length, away: away.length, ...lastCalls(all) };
      if (all.length === 0) return { status: 'healthy', detail: 'No deployment was called yet.', data };
      if (away.length === 0) {
        const what = all.length === 1 ? '1 deployment, its circuit' : `${all.length} deployments, every circuit`;
        return { status: 'healthy', detail: `${what} closed.`, data };
      }
      const names = away.slice(0, NAMES_MAX).map((one) => `${one.id} (${stateOf(one)})`);
      const more = away.length > NAMES_MAX ? ` and ${away.length - NAMES_MAX} more` : '';
      // A simulator that somebody tried is nobody's way out.
      const real = all.filter(({ kind }) => kind !== 'simulator');
      const none = (real.length === 0 ? all : real).every((one) => away.includes(one));
      const status = none ? 'unhealthy' : 'degraded';
      return { status, detail: `Not closed: ${names.join(', ')}${more}.`, data };
    },
  };
}

/** When an upstream last answered and last failed, and how. */
function lastCalls(all: readonly DeploymentStatus[]): Record<string, string | null> {
  const latest = (moment: (one: DeploymentStatus) => number | null): DeploymentStatus | undefined =>
    all.filter((one) => moment(one) !== null).toSorted((one, other) => (moment(other) ?? 0) - (moment(one) ?? 0))[0];
  const iso = (wallMs: number | null | undefined): string | null =>
    typeof wallMs === 'number' ? new Date(wallMs).toISOString() : null;
  const failed = latest(({ lastFailureWallMs }) => lastFailureWallMs);
  return {
    lastSuccess: iso(latest(({ lastSuccessWallMs }) => lastSuccessWallMs)?.lastSuccessWallMs),
    lastFailure: iso(failed?.lastFailureWallMs),
    lastFailureOf: failed === undefined ? null : `${failed.id}: ${failed.lastFailure}`,
  };
}
