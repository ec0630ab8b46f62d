// Redis is not there: callers are served from memory and the factory, and wait for nothing.
// Run: npx node -C revoagent-source examples/cache/redis-away.ts
import { connectRedis, createCache, RedisTier } from 'revoagent/cache';

const namespace = 'models';
const redis = connectRedis({ url: 'redis://127.0.0.1:1' });
const outcomes = new Set<string>();
const cache = createCache({
  namespace,
  tiers: [new RedisTier(redis, { namespace })],
  onEvent: (event) => {
    if (event.kind === 'operation') outcomes.add(event.outcome);
  },
});

for (let each = 0; each < 20; each++) await cache.getOrSet(`model:${each}`, () => ({ each }));
console.log(await cache.getOrSet('model:3', () => 'never asked'));
console.log([...outcomes].toSorted().join(', '));
await cache.close();

// Prints:
// { each: 3 }
// failed, refused
