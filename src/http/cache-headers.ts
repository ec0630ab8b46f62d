/** What an answer's headers say of the cache: the hub's own words, and those of HTTP (RFC 9111, 5.1; RFC 9211). */
import type { CacheFacts } from '#contract/gateway';

export function cacheHeaders({ status, key, ageMs, ttlMs }: CacheFacts): Record<string, string> {
  const kept = status === 'hit' || status === 'stale';
  return {
    'x-revoagent-cache': status,
    'x-revoagent-cache-key': key,
    'cache-status': `revoagent; ${CACHE_STATUS[status](seconds(ttlMs))}; key="${key}"`,
    ...(kept && { age: String(seconds(ageMs)) }),
  };
}

const CACHE_STATUS: Readonly<Record<CacheFacts['status'], (ttl: number) => string>> = {
  hit: (ttl) => `hit; ttl=${ttl}${ttl < 0 ? '; detail=stale-while-revalidate' : ''}`,
  stale: (ttl) => `hit; ttl=${ttl}; detail=stale-if-error`,
  miss: () => 'fwd=miss',
  shared: () => 'fwd=miss; collapsed',
};

/** Whole ones, as HTTP counts. */
function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}
