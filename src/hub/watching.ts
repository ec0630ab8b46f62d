/** What is looked at while the hub runs: its health checks, how much it can take in, and the figures that are read when somebody asks. */
import { createHealth } from '#health/health';
import type { Health } from '#contract/health';
import type { LoadGate } from '#contract/load';
import type { UsageLedger } from '#ledger/ledger';
import type { Clock } from '#core/clock';
import type { Telemetry } from '#telemetry/telemetry';
import type { BreakerRegistry } from '#resilience/index';
import { figuresOfBreakers } from './breakers.ts';
import type { HubCaches } from './cache.ts';
import { createChecks } from './health.ts';
import type { CheckedParts } from './health.ts';
import type { HubInstances } from './instances.ts';
import { openLoadGate } from './load.ts';

export interface WatchedParts extends CheckedParts {
  /** As the figures want them: without their windows. */
  readonly circuits: BreakerRegistry;
  readonly clock: Clock;
  readonly instance: string;
  readonly version: string;
  readonly telemetry: Telemetry;
  readonly ledger: UsageLedger;
  readonly figures: HubCaches['figures'];
  readonly instances: HubInstances;
}

/** Ended by the stack. */
export function watchHub(stack: AsyncDisposableStack, parts: WatchedParts): { health: Health; load: LoadGate } {
  const { circuits, storage, runs, ledger, figures, limits, instances, telemetry } = parts;
  const watched = createChecks(parts);
  stack.defer(() => watched.stop());
  const health = createHealth({ ...parts, checks: watched.checks });
  const load = openLoadGate(stack, parts);
  telemetry.attach({
    breakers: () => figuresOfBreakers(circuits),
    pool: () => storage.poolStats(),
    backlog: () => runs.writer.backlog,
    ledger: () => ledger,
    ...figures,
    limits: () => limits.mode(),
    checks: () => health.last(),
    admittedShare: () => load.admittedShare,
    instances: () => {
      const live = instances.registry.list();
      const draining = live.filter((each) => each.draining).map(({ id }) => id);
      return { live: live.length, draining, degraded: instances.registry.source === 'away' };
    },
  });
  return { health, load };
}
