/** Cross-origin calls from browsers: closed, except for the origins that the configuration lists by name. */
import type { RequestContext } from './request-context.ts';

const PREFLIGHT_CACHE_S = 600;
/** Beyond those that every page may read: what the hub says in headers, and the version that an `If-Match` is to name. */
const EXPOSED = [
  'x-request-id',
  'x-revoagent-run',
  'x-revoagent-provider',
  'x-revoagent-model',
  'x-revoagent-attempts',
  'x-revoagent-overhead-ms',
  'x-revoagent-degraded',
  'x-revoagent-simulated',
  'x-revoagent-estimated',
  'x-revoagent-cache',
  'x-revoagent-cache-key',
  'x-revoagent-external',
  'x-revoagent-breaker',
  'cache-status',
  'age',
  'etag',
  'idempotent-replayed',
  'traceparent',
  'retry-after',
  'ratelimit',
  'ratelimit-policy',
  'retry-after-ms',
  'x-should-retry',
].join(', ');

/** What lets a listed origin read the response. */
export function originHeaders(origin: string | undefined, origins: readonly string[]): Record<string, string> {
  if (origins.length === 0) return {};
  if (origin === undefined || !origins.includes(origin)) return { vary: 'origin' };
  return {
    vary: 'origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED,
    'cross-origin-resource-policy': 'cross-origin',
  };
}

/** Answers the question a browser asks before a call; false where this is none, or not from a listed origin. */
export function answeredPreflight(context: RequestContext, methods: readonly string[]): boolean {
  const { incoming, headers } = context;
  if (incoming.method !== 'OPTIONS' || headers['access-control-allow-origin'] === undefined) return false;
  if (incoming.headers['access-control-request-method'] === undefined) return false;
  context.respond(
    204,
    {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': incoming.headers['access-control-request-headers'] ?? '',
      'access-control-max-age': String(PREFLIGHT_CACHE_S),
    },
    '',
  );
  return true;
}
