// A handler of requests behind the cache: ETag, 304, Cache-Control, Age and Cache-Status come by themselves.
// Run: npx node -C revoagent-source examples/cache/http.ts
import { createCache } from 'revoagent/cache';

const cache = createCache({ namespace: 'pages' });
const cached = cache.http({ ttlMs: 60_000, vary: ['accept-language'] });

let calls = 0;
const page = async (request: Request): Promise<Response> => {
  calls++;
  return new Response(request.headers.get('accept-language') === 'de' ? 'Hallo.' : 'Hello.');
};
const get = (headers: Record<string, string> = {}): Promise<Response> =>
  cached(new Request('https://example.com/hello', { headers }), page);

const first = await get();
console.log(`${await first.text()} ${first.headers.get('cache-status')}`);

const second = await get();
console.log(`${await second.text()} ${second.headers.get('cache-status')?.replace(/ttl=\d+/, 'ttl=…')}`);

const known = await get({ 'if-none-match': first.headers.get('etag') ?? '' });
console.log(`who has it is told ${known.status}`);

console.log(`${await (await get({ 'accept-language': 'de' })).text()} after ${calls} calls`);
await cache.close();

// Prints:
// Hello. revoagent; fwd=miss; stored
// Hello. revoagent; hit; ttl=…
// who has it is told 304
// Hallo. after 2 calls
