/** A cache of HTTP answers on a virtual clock, before a handler whose answers are numbered. */
import { createCache } from '#cache/index';
import type { HttpHandler, HttpOptions } from '#cache/index';
import { VirtualClock } from './virtual-clock.ts';

export const URL = 'https://api.example/users?page=1';

export function scene(
  options: HttpOptions = {},
  answer: (number: number) => Response | Promise<Response> = (number) => new Response(`number ${number}`),
) {
  const clock = new VirtualClock();
  const cache = createCache({
    namespace: 'pages',
    clock,
    defaults: { ttlMs: 60_000, jitter: 0, swrMs: 0, earlyRefreshFrom: 1 },
  });
  const cached = cache.http(options);
  const state = { calls: 0, answer };
  const handler: HttpHandler = async () => state.answer(++state.calls);
  const ask = async (headers: Record<string, string> = {}, init: RequestInit = {}, url = URL) => {
    const response = await cached(new Request(url, { headers, ...init }), handler);
    const said = (name: string): string | null => response.headers.get(name);
    return { status: response.status, text: await response.text(), said };
  };
  return { cache, clock, state, ask };
}
