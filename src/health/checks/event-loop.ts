/** The event loop turns in time: whatever blocks it delays every request of the instance. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { HealthCheck } from '#contract/health';

const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;

/** Watches from now on; `stop` ends that. */
export function eventLoopCheck({ degradedMs = 200, unhealthyMs = 2_000 } = {}): HealthCheck & { stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return {
    name: 'event-loop',
    runbook: 'event-loop',
    servesWithout: false,
    timeoutMs: 5_000,
    check() {
      const measured = delay.percentile(99) / NS_PER_MS - RESOLUTION_MS;
      const delayP99Ms = Number.isFinite(measured) ? Math.max(0, Math.round(measured * 10) / 10) : 0;
      delay.reset();
      const status = delayP99Ms >= unhealthyMs ? 'unhealthy' : delayP99Ms >= degradedMs ? 'degraded' : 'healthy';
      return {
        status,
        detail: `The event loop was late by ${delayP99Ms} ms (99th percentile since the last look).`,
        data: { delayP99Ms },
      };
    },
    stop: () => delay.disable(),
  };
}
