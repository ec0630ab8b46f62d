/** Every tier of the cache through the one suite. */
import { MemoryTier } from '../../src/cache/memory-tier.ts';
import { connectRedis } from '../../src/cache/redis/port.ts';
import { RedisTier } from '../../src/cache/redis/tier.ts';
import { waitFor } from '../helpers/hub-process.ts';
import { startRedis } from '../helpers/redis.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { tierSuite } from './cache-tier-suite.ts';

const MB = 1024 * 1024;

tierSuite('memory', async () => {
  const clock = new VirtualClock();
  const tiers = new Map<string, MemoryTier>();
  return {
    async open(namespace) {
      const tier = tiers.get(namespace) ?? new MemoryTier(clock, { bytesMax: 16 * MB, entryBytesMax: MB });
      tiers.set(namespace, tier);
      return tier;
    },
    pass: (ms) => clock.jump(ms),
    end: async () => undefined,
  };
});

tierSuite('Redis', async () => {
  const redis = await startRedis();
  return {
    async open(namespace) {
      const tier = new RedisTier(connectRedis({ url: redis.url }), { namespace });
      await waitFor(() => tier.position().catch(() => undefined));
      return tier;
    },
    pass: () => undefined,
    end: () => redis.close(),
  };
});
