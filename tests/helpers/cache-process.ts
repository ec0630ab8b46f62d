/** One of several processes that ask one cache for one key at the same moment: `node cache-process.ts <url of Redis> <callers> <how>`. */
import { Redis } from 'ioredis';
import { connectRedis, createCache, RedisTier } from '#cache/index';
import { waitFor } from './hub-process.ts';

const [url = '', callers = '', how = 'answers'] = process.argv.slice(2);
const tier = new RedisTier(connectRedis({ url }), {
  namespace: 'processes',
  limits: { readMs: 5_000, writeMs: 5_000 },
});
const redis = new Redis(url);
const cache = createCache({ namespace: 'processes', tiers: [tier], lease: { waitMs: 30_000 } });
await waitFor(() => tier.position().catch(() => undefined));
process.send?.('ready');
await new Promise((resolve) => process.once('message', resolve));

const told = await Promise.allSettled(
  Array.from({ length: Number(callers) }, () =>
    cache.getOrSet('one-key', async () => {
      const call = await redis.incr('factory-calls');
      await new Promise((resolve) => setTimeout(resolve, 150));
      if (how === 'throws') throw new Error(`call ${call} failed`);
      return { call };
    }),
  ),
);
process.send?.(told.map((each) => (each.status === 'fulfilled' ? each.value.call : String(each.reason))));
await cache.close();
redis.disconnect();
process.disconnect?.();
