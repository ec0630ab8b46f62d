/** The disk under the data folder has room. */
import { statfs } from 'node:fs/promises';
import type { HealthCheck } from '#contract/health';

export function diskCheck({
  folder,
  degradedShare = 0.1,
  unhealthyBytes = 256 * 1024 * 1024,
}: {
  folder: string;
  degradedShare?: number;
  unhealthyBytes?: number;
}): HealthCheck {
  return {
    name: 'disk',
    runbook: 'disk',
    servesWithout: true,
    timeoutMs: 1_000,
    async check() {
      const { bavail, blocks, bsize } = await statfs(folder);
      const freeBytes = bavail * bsize;
      const share = blocks === 0 ? 1 : bavail / blocks;
      const status = freeBytes < unhealthyBytes ? 'unhealthy' : share < degradedShare ? 'degraded' : 'healthy';
      return {
        status,
        detail: `${Math.round(share * 100)} % of the disk is free.`,
        data: { freeBytes, totalBytes: blocks * bsize },
      };
    },
  };
}
