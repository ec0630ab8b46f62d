/** The health checks there are, with what each looks at. */
import path from 'node:path';
import type { BreakerControl } from '#contract/breakers';
import type { Gateway } from '#contract/gateway';
import type { HealthCheck } from '#contract/health';
import type { Limits } from '#contract/limits';
import type { Logger } from '#contract/logger';
import type { Memory } from '#contract/memory';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { Config } from '#config/index';
import { databaseCheck } from '#health/checks/database';
import { diskCheck } from '#health/checks/disk';
import { eventLoopCheck } from '#health/checks/event-loop';
import { heapCheck } from '#health/checks/heap';
import { limitsCheck } from '#health/checks/limits';
import { memoryCheck } from '#health/checks/memory';
import { providersCheck } from '#health/checks/providers';
import type { Storage } from '#storage/index';
import type { RunWriter } from '#contract/runs';

export interface CheckedParts {
  readonly config: Config;
  readonly storage: Storage;
  readonly memory: Pick<Memory, 'find'>;
  readonly runs: { readonly writer: Pick<RunWriter, 'backlog'> };
  readonly gateway: Pick<Gateway, 'deployments'>;
  readonly breakers: BreakerControl;
  readonly limits: Pick<Limits, 'mode'>;
  readonly logger: Logger;
}

/** Looked for by the health check: an id that nobody gets. */
const NO_MEMORY = 'mem_00000000000000000000000000';

export function createChecks({ config, storage, memory, runs, gateway, breakers, limits, logger }: CheckedParts): {
  checks: readonly HealthCheck[];
  stop(): void;
} {
  const loop = eventLoopCheck();
  const checks = [
    databaseCheck({
      kind: storage.kind,
      ping: () => storage.ping(),
      poolStats: () => storage.poolStats(),
      backlog: () => runs.writer.backlog,
      logger,
    }),
    memoryCheck({
      ping: () => memory.find(DEFAULT_PROJECT_ID, NO_MEMORY),
      breaker: () => breakers.get('memory'),
      embeddings: config.memory.embeddingModel !== undefined,
      logger,
    }),
    limitsCheck({ mode: () => limits.mode() }),
    providersCheck({ deployments: () => gateway.deployments(), breaker: (key) => breakers.get(key) }),
    loop,
    heapCheck(),
    diskCheck({ folder: path.resolve(config.storage.dataDir) }),
  ];
  return { checks, stop: () => loop.stop() };
}
