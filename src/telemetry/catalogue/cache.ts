/** The cache, by tier. */
import type { MetricEntry } from './entry.ts';
import { SHORT } from './entry.ts';

export const cacheMetrics = {
  cachedRuns: {
    name: 'revoagent_cached_runs_total',
    type: 'counter',
    unit: '1',
    help: 'Runs whose answer is not of their own attempts: kept, shared with a run under way, or past its time in place of a failure.',
    labels: { by: 'hit, shared, stale' },
  },
  cacheDuration: {
    name: 'revoagent_cache_operation_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of an operation on a tier of the cache beneath memory.',
    labels: {
      tier: 'redis, database',
      operation: 'acquire, put, set, invalidate, …',
      outcome: 'ok, failed, timeout, refused',
    },
    buckets: SHORT,
  },
  cacheLookups: {
    name: 'revoagent_cache_lookups_total',
    type: 'counter',
    unit: '1',
    help: 'Look-ups in the cache: answered by memory; not in memory; of these, shared with one under way; answered past their time.',
    labels: { result: 'memory, beneath, shared, stale' },
  },
  cacheTierLookups: {
    name: 'revoagent_cache_tier_lookups_total',
    type: 'counter',
    unit: '1',
    help: 'Look-ups that reached a tier of the cache beneath memory, by what it had: a fresh answer, one past its time, none.',
    labels: { tier: 'redis, database', result: 'hit, stale, miss' },
  },
  cacheTierBytes: {
    name: 'revoagent_cache_tier_bytes_total',
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of answers that went to a tier of the cache beneath memory, and came from it, compressed as they lie there.',
    labels: { tier: 'redis, database', direction: 'read, written' },
  },
  keyLookups: {
    name: 'revoagent_key_lookups_total',
    type: 'counter',
    unit: '1',
    help: 'Look-ups of API keys: answered by memory; not in memory; of these, shared with one under way; answered past their time, for want of the database.',
    labels: { result: 'memory, beneath, shared, stale' },
  },
  cacheBytes: {
    name: 'revoagent_cache_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of this process that the cache uses.',
    labels: {},
  },
  cacheEntries: {
    name: 'revoagent_cache_entries',
    type: 'gauge',
    unit: '1',
    help: 'Entries of the cache in the memory of this process.',
    labels: {},
  },
  cacheEvictions: {
    name: 'revoagent_cache_evictions_total',
    type: 'counter',
    unit: '1',
    help: 'Entries that left memory for want of room.',
    labels: {},
  },
  cacheGaps: {
    name: 'revoagent_cache_gaps_total',
    type: 'counter',
    unit: '1',
    help: 'Occasions on which announcements of other instances were missed, and made good.',
    labels: {},
  },
} as const satisfies Record<string, MetricEntry>;
