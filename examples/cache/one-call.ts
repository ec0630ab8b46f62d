// A slow upstream behind a cache: one call for many callers, tags, and a copy for the time when it is down.
// Run: npx node -C revoagent-source examples/cache/one-call.ts
import { createCache } from 'revoagent/cache';

const cache = createCache({ namespace: 'weather' });

let calls = 0;
let down = false;
async function ask(city: string): Promise<{ city: string; call: number }> {
  calls++;
  if (down) throw new Error('the upstream is down');
  return { city, call: calls };
}
const weather = (city: string): Promise<{ city: string; call: number }> =>
  cache.getOrSet(`city:${city}`, () => ask(city), { ttlMs: 60_000, tags: ['weather'] });

const answers = await Promise.all(Array.from({ length: 100 }, () => weather('Rome')));
console.log(`${answers.length} callers, ${calls} call`);

await cache.deleteTag('weather');
console.log(`after deleteTag: call ${(await weather('Rome')).call}`);

down = true;
await cache.expire('city:Rome');
console.log(`expired, and the upstream is down: call ${(await weather('Rome')).call} again`);

await cache.delete('city:Rome');
console.log(await weather('Rome').catch((error: unknown) => `deleted, and the upstream is down: ${String(error)}`));
await cache.close();

// Prints:
// 100 callers, 1 call
// after deleteTag: call 2
// expired, and the upstream is down: call 2 again
// deleted, and the upstream is down: Error: the upstream is down
