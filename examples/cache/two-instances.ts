// Two instances over one shared tier: one factory call for both, and what one deletes the other forgets.
// In a test as here the tier is in memory; in production it is `new RedisTier(connectRedis({ url }), { namespace })`.
// Run: npx node -C revoagent-source examples/cache/two-instances.ts
import { createCache, MemoryTier, systemClock } from 'revoagent/cache';

const shared = new MemoryTier(systemClock, { bytesMax: 1_000_000, entryBytesMax: 100_000 });
const one = createCache({ namespace: 'users', tiers: [shared] });
const other = createCache({ namespace: 'users', tiers: [shared] });

let calls = 0;
async function user(): Promise<string> {
  calls++;
  await new Promise((resolve) => setTimeout(resolve, 50));
  return `user of call ${calls}`;
}

const told = await Promise.all([one, other, one, other].map((cache) => cache.getOrSet('user:7', user)));
console.log(`${new Set(told).size} value, ${calls} call`);

await one.delete('user:7');
console.log(await other.getOrSet('user:7', user));
await one.close();
await other.close();

// Prints:
// 1 value, 1 call
// user of call 2
