/** What limits tell, as metrics. Of what is left the least since the last scrape is shown: an average would hide the one who has nothing left. */
import type { LimitObserver } from '#contract/limit-observer';
import type { LimitStanding } from '#contract/admission';
import type { LimitModeReport } from '#contract/limits';
import type { Metrics } from './metrics.ts';
import { memoised } from './metrics.ts';

const MODES = ['memory', 'shared', 'share'] as const;

export function createLimitFigures(metrics: Metrics): {
  readonly observer: LimitObserver;
  /** At a scrape. */
  read(mode: LimitModeReport | undefined): void;
} {
  const decided = memoised((...labels) => metrics.counter('limitDecisions').series(...labels));
  const asked = memoised((...labels) => metrics.histogram('limitStore').series(...labels));
  const least: { readonly labels: readonly string[]; share: number }[] = [];
  const leastOf = memoised((...labels) => {
    const left = { labels, share: 1 };
    least.push(left);
    return left;
  });
  return {
    observer: {
      limitDecided(standings, refusedBy) {
        if (refusedBy !== null) decided('refused', refusedBy.scope, kindOf(refusedBy)).inc();
        for (const standing of standings) {
          const { scope, used, max } = standing;
          const kind = kindOf(standing);
          if (refusedBy === null) decided('admitted', scope, kind).inc();
          const left = leastOf(scope, kind);
          left.share = Math.min(left.share, Math.max(0, 1 - used / Math.max(1, max)));
        }
      },
      limitStoreAsked: (operation, outcome, ms) => asked(operation, outcome).observe(ms / 1000),
    },
    read(report) {
      const gauge = metrics.gauge('limitRemaining');
      for (const left of least) {
        gauge.labels(...left.labels).set(left.share);
        // Nobody has met less by then, where nobody calls.
        left.share = 1;
      }
      if (report === undefined) return;
      for (const mode of MODES) metrics.gauge('limitMode').set({ mode }, mode === report.mode ? 1 : 0);
      metrics.gauge('limitDivisor').set(report.dividedBy);
    },
  };
}

function kindOf({ kind, period }: LimitStanding): string {
  return period === null || period === 'minute' ? kind : `${kind}-${period}`;
}
