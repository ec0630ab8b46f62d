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
  const decided = memoised((labels) => metrics.counter('limitDecisions').series(...labels.split(' ')));
  const asked = memoised((labels) => metrics.histogram('limitStore').series(...labels.split(' ')));
  const left = new Map<string, number>();
  return {
    observer: {
      limitDecided(standings, refusedBy) {
        if (refusedBy !== null) decided(`refused ${labelsOf(refusedBy)}`).inc();
        for (const standing of standings) {
          const labels = labelsOf(standing);
          if (refusedBy === null) decided(`admitted ${labels}`).inc();
          const share = Math.max(0, 1 - standing.used / Math.max(1, standing.max));
          if (share < (left.get(labels) ?? 2)) left.set(labels, share);
        }
      },
      limitStoreAsked: (operation, outcome, ms) => asked(`${operation} ${outcome}`).observe(ms / 1000),
    },
    read(report) {
      const gauge = metrics.gauge('limitRemaining');
      for (const [labels, share] of left) {
        gauge.labels(...labels.split(' ')).set(share);
        // Nobody has met less by then, where nobody calls.
        left.set(labels, 1);
      }
      if (report === undefined) return;
      for (const mode of MODES) metrics.gauge('limitMode').set({ mode }, mode === report.mode ? 1 : 0);
      metrics.gauge('limitDivisor').set(report.dividedBy);
    },
  };
}

function labelsOf({ scope, kind, period }: LimitStanding): string {
  return `${scope} ${period === null || period === 'minute' ? kind : `${kind}-${period}`}`;
}
