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

export function providersCheck({ deployments, breaker }: ProvidersCheckOptions): HealthCheck {
  return {
    name: 'providers',
    runbook: 'providers',
    // With every circuit open the hub still answers, with a last resort or an honest 503; taking it from the balancer helps nobody.
    servesWithout: true,
    timeoutMs: 500,
    check() {
      const all = deployments();
      const closed = (one: DeploymentStatus): boolean =>
        ['closed', 'disabled'].includes(breaker(one.breaker)?.state ?? 'closed');
      const away = all.filter((one) => !closed(one));
      const data = { deployments: all.length, away: away.length };
      if (away.length === 0)
        return { status: 'healthy', detail: `${all.length} deployments, every circuit closed.`, data };
      const names = away.slice(0, NAMES_MAX).map((one) => `${one.id} (${breaker(one.breaker)?.state ?? 'closed'})`);
      const more = away.length > NAMES_MAX ? ` and ${away.length - NAMES_MAX} more` : '';
      const status = away.length === all.length ? 'unhealthy' : 'degraded';
      return { status, detail: `Not closed: ${names.join(', ')}${more}.`, data };
    },
  };
}
