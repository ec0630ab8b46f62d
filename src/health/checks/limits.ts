/** Limits are counted over all instances. Without their Redis each instance allows its share, so it never turns readiness red. */
import type { HealthCheck } from '#contract/health';
import type { LimitModeReport } from '#contract/limits';

export function limitsCheck({ mode: modeOf }: { readonly mode: () => LimitModeReport }): HealthCheck {
  return {
    name: 'limits',
    runbook: 'limits',
    servesWithout: true,
    timeoutMs: 1_000,
    check() {
      const { mode, dividedBy } = modeOf();
      const data = { mode, dividedBy };
      if (mode === 'memory') return { status: 'healthy', detail: 'Counted in this instance, which is alone.', data };
      if (mode === 'shared') return { status: 'healthy', detail: 'Counted over all instances.', data };
      const by = dividedBy === 1 ? 'the whole of each limit' : `1/${dividedBy} of each limit`;
      return { status: 'degraded', detail: `Redis does not answer: this instance allows ${by}.`, data };
    },
  };
}
