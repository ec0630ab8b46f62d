/** The database as the hub meets it and as it sees itself, the ledger, and the state's Redis. */
import type { Board } from './board.ts';
import { of, orZero, quantile, rate } from './promql.ts';

const STATE = 'job="redis-state"';

export const data: Board = {
  uid: 'revoagent-data',
  title: 'Data',
  about: 'Pool, queries, backlog and ledger; PostgreSQL and the Redis that holds state.',
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Database',
          about: 'Whether PostgreSQL answers its exporter.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: 'max(pg_up)', legend: 'up' }],
        },
        {
          title: 'Waiting',
          about: 'Callers that wait for a connection.',
          unit: 'short',
          shape: 'number',
          bad: [1, 50],
          queries: [{ expr: `sum(${of('poolWaiting')})`, legend: 'waiting' }],
        },
        {
          title: 'Query, p95',
          about: 'With its wait for a connection.',
          unit: 's',
          shape: 'number',
          bad: [0.1, 1],
          queries: [{ expr: quantile(0.95, 'queries'), legend: 'p95' }],
        },
        {
          title: 'Ledger behind',
          about: 'Rows that wait for the database; an alert comes at 5,000.',
          unit: 'short',
          shape: 'number',
          bad: [1000, 5000],
          queries: [{ expr: `sum(${of('ledgerBacklog')})`, legend: 'rows' }],
        },
        {
          title: 'Database size',
          about: 'On disk.',
          unit: 'bytes',
          shape: 'number',
          queries: [{ expr: 'sum(pg_database_size_bytes{datname!~"template.*"})', legend: 'size' }],
        },
        {
          title: 'State in Redis',
          about: 'Bytes. This Redis evicts nothing: full, it refuses writes.',
          unit: 'bytes',
          shape: 'number',
          queries: [{ expr: `sum(redis_memory_used_bytes{${STATE}})`, legend: 'bytes' }],
        },
      ],
    },
    {
      title: 'Pool',
      panels: [
        {
          title: 'Connections',
          about: 'Of all instances together.',
          unit: 'short',
          queries: [{ expr: `sum by (state) (${of('pool')})`, legend: '{{state}}' }],
        },
        {
          title: 'Wait, p95 and p99',
          about: 'For a connection.',
          unit: 's',
          queries: [0.95, 0.99].map((q) => ({ expr: quantile(q, 'poolWait'), legend: `p${q * 100}` })),
        },
        {
          title: 'Waiting',
          about: 'Callers that wait, by instance.',
          unit: 'short',
          queries: [{ expr: `sum by (instance) (${of('poolWaiting')})`, legend: '{{instance}}' }],
        },
      ],
    },
    {
      title: 'Queries',
      panels: [
        {
          title: 'Slowest, p95',
          about: 'The ten slowest by name.',
          unit: 's',
          queries: [{ expr: `topk(10, ${quantile(0.95, 'queries', 'query')})`, legend: '{{query}}' }],
        },
        {
          title: 'Most frequent',
          about: 'The ten most frequent by name.',
          unit: 'ops',
          queries: [{ expr: `topk(10, ${rate('queries', 'query', '', '_count')})`, legend: '{{query}}' }],
        },
        {
          title: 'Failed',
          about: 'By name.',
          unit: 'ops',
          queries: [{ expr: orZero(rate('queries', 'query', 'outcome="failed"', '_count')), legend: '{{query}}' }],
        },
      ],
    },
    {
      title: 'Records',
      panels: [
        {
          title: 'Backlog',
          about: 'What waits for the database.',
          unit: 'short',
          bad: [1000, 5000],
          queries: [
            { expr: `sum(${of('backlog')})`, legend: 'runs' },
            { expr: `sum(${of('ledgerBacklog')})`, legend: 'ledger' },
          ],
        },
        {
          title: 'Journal of the ledger',
          about: 'Bytes on disk, by instance.',
          unit: 'bytes',
          queries: [{ expr: `sum by (instance) (${of('ledgerJournal')})`, legend: '{{instance}}' }],
        },
        {
          title: 'Reserved',
          about: 'Attempts whose reservation is in Redis and whose row is not in the database yet, by instance.',
          unit: 'short',
          queries: [{ expr: `sum by (instance) (${of('ledgerReserved')})`, legend: '{{instance}}' }],
        },
        {
          title: 'Rows',
          about: 'Written and given up; unjournalled: an attempt that a kill would lose.',
          unit: 'ops',
          queries: [
            { expr: rate('ledgerRows', 'end'), legend: '{{end}}' },
            { expr: rate('ledgerUnjournalled'), legend: 'unjournalled' },
          ],
        },
      ],
    },
    {
      title: 'PostgreSQL and Redis',
      panels: [
        {
          title: 'Sessions',
          about: 'By what they do.',
          unit: 'short',
          shape: 'stacked',
          queries: [{ expr: 'sum by (state) (pg_stat_activity_count)', legend: '{{state}}' }],
        },
        {
          title: 'Transactions',
          about: 'Committed and rolled back.',
          unit: 'ops',
          queries: [
            { expr: 'sum(rate(pg_stat_database_xact_commit[$__rate_interval]))', legend: 'committed' },
            { expr: 'sum(rate(pg_stat_database_xact_rollback[$__rate_interval]))', legend: 'rolled back' },
          ],
        },
        {
          title: 'Clients of Redis',
          about: 'Connections by role.',
          unit: 'short',
          queries: [{ expr: 'sum by (job) (redis_connected_clients{job=~"redis-.*"})', legend: '{{job}}' }],
        },
      ],
    },
  ],
};
