/** What is answered from a cache, by which tier, and how Redis does. */
import type { Board } from './board.ts';
import { of, orZero, quantile, rate, ratio } from './promql.ts';

const CACHE = 'job="redis-cache"';

export const cache: Board = {
  uid: 'revoagent-cache',
  title: 'Cache',
  about: 'Hits, tiers and their latency; what memory and Redis hold.',
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Hits in memory',
          about: 'Share of look-ups that memory answered.',
          unit: 'percentunit',
          shape: 'number',
          queries: [
            {
              expr: ratio(
                rate('cacheLookups', '', 'result="memory"'),
                rate('cacheLookups', '', 'result=~"memory|beneath"'),
              ),
              legend: 'hits',
            },
          ],
        },
        {
          title: 'Runs from the cache',
          about: 'Runs that no upstream was asked for.',
          unit: 'percentunit',
          shape: 'number',
          queries: [{ expr: ratio(orZero(rate('cachedRuns')), rate('runs')), legend: 'runs' }],
        },
        {
          title: 'Bytes in memory',
          about: 'Of all instances together.',
          unit: 'bytes',
          shape: 'number',
          queries: [{ expr: `sum(${of('cacheBytes')})`, legend: 'bytes' }],
        },
        {
          title: 'Entries in memory',
          about: 'Of all instances together.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: `sum(${of('cacheEntries')})`, legend: 'entries' }],
        },
        {
          title: 'Bytes in Redis',
          about: "What the cache's Redis holds; its bound evicts the least used.",
          unit: 'bytes',
          shape: 'number',
          queries: [{ expr: `sum(redis_memory_used_bytes{${CACHE}})`, legend: 'bytes' }],
        },
        {
          title: 'Bus gaps',
          about: 'Announcements of other instances that were missed and made good, in the last hour.',
          unit: 'short',
          shape: 'number',
          bad: [1, 10],
          queries: [{ expr: `sum(increase(${of('cacheGaps')}[1h]))`, legend: 'gaps' }],
        },
      ],
    },
    {
      title: 'Look-ups',
      panels: [
        {
          title: 'By result',
          about: 'Shared: joined a look-up or a call under way. Stale: answered past its time.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('cacheLookups', 'result'), legend: '{{result}}' }],
        },
        {
          title: 'Runs',
          about: 'Runs whose answer was kept, shared, or stood in for a failure.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('cachedRuns', 'by'), legend: '{{by}}' }],
        },
        {
          title: 'Evictions',
          about: 'Entries that left memory for want of room.',
          unit: 'ops',
          queries: [
            { expr: rate('cacheEvictions'), legend: 'memory' },
            { expr: `sum(rate(redis_evicted_keys_total{${CACHE}}[$__rate_interval]))`, legend: 'Redis' },
          ],
        },
      ],
    },
    {
      title: 'Tiers beneath memory',
      panels: [
        {
          title: 'Latency, p95',
          about: 'A tier that is slower than its deadline is gone without.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'cacheDuration', 'tier, operation'), legend: '{{tier}}: {{operation}}' }],
        },
        {
          title: 'Operations',
          about: 'A second.',
          unit: 'ops',
          shape: 'stacked',
          queries: [
            {
              expr: rate('cacheDuration', 'tier, operation', '', '_count'),
              legend: '{{tier}}: {{operation}}',
            },
          ],
        },
        {
          title: 'Failures',
          about: "Failed, too slow, or refused by the tier's circuit.",
          unit: 'ops',
          queries: [
            {
              expr: orZero(rate('cacheDuration', 'tier, outcome', 'outcome!="ok"', '_count')),
              legend: '{{tier}}: {{outcome}}',
            },
          ],
        },
      ],
    },
    {
      title: 'What tiers had',
      panels: [
        {
          title: 'Look-ups by tier',
          about: 'Those that memory had not: a fresh answer, one past its time, none.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('cacheTierLookups', 'tier, result'), legend: '{{tier}}: {{result}}' }],
        },
        {
          title: 'Bytes by tier',
          about: 'Read from it and written to it, compressed.',
          unit: 'Bps',
          queries: [{ expr: rate('cacheTierBytes', 'tier, direction'), legend: '{{tier}}: {{direction}}' }],
        },
        {
          title: 'Keys',
          about: 'Look-ups of API keys. Stale: answered past their time for want of the database.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('keyLookups', 'result'), legend: '{{result}}' }],
        },
      ],
    },
    {
      title: 'Redis',
      panels: [
        {
          title: 'Hits',
          about: "Of Redis' own look-ups.",
          unit: 'percentunit',
          queries: [
            {
              expr: `sum(rate(redis_keyspace_hits_total{${CACHE}}[$__rate_interval])) / (sum(rate(redis_keyspace_hits_total{${CACHE}}[$__rate_interval])) + sum(rate(redis_keyspace_misses_total{${CACHE}}[$__rate_interval])) > 0)`,
              legend: 'hits',
            },
          ],
        },
        {
          title: 'Memory',
          about: 'Used, and its bound.',
          unit: 'bytes',
          queries: [
            { expr: `sum by (job) (redis_memory_used_bytes{job=~"redis-.*"})`, legend: '{{job}}' },
            { expr: `sum(redis_memory_max_bytes{${CACHE}})`, legend: 'bound of the cache' },
          ],
        },
        {
          title: 'Commands',
          about: 'A second.',
          unit: 'ops',
          queries: [
            {
              expr: `sum by (job) (rate(redis_commands_processed_total{job=~"redis-.*"}[$__rate_interval]))`,
              legend: '{{job}}',
            },
          ],
        },
      ],
    },
  ],
};
