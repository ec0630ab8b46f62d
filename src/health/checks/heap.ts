/** The JavaScript heap has room: near its limit the process spends its time collecting, then ends. */
import { getHeapStatistics } from 'node:v8';
import type { HealthCheck } from '#contract/health';

export function heapCheck({ degradedShare = 0.8, unhealthyShare = 0.95 } = {}): HealthCheck {
  return {
    name: 'heap',
    runbook: 'heap',
    servesWithout: false,
    timeoutMs: 500,
    check() {
      const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics();
      const share = usedBytes / limitBytes;
      const status = share >= unhealthyShare ? 'unhealthy' : share >= degradedShare ? 'degraded' : 'healthy';
      return {
        status,
        detail: `${Math.round(share * 100)} % of the heap limit is in use.`,
        data: { usedBytes, limitBytes },
      };
    },
  };
}
