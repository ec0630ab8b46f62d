/** Limits: what they decided, what is left, and how they are counted. */
import type { MetricEntry } from './entry.ts';
import { SHORT } from './entry.ts';

const limitScope = 'organisation, project, key, agent, route';
const limitKind = 'requests, tokens, concurrent, usd-day, usd-week, usd-month';

export const limitsMetrics = {
  limitDecisions: {
    name: 'revoagent_limit_decisions_total',
    type: 'counter',
    unit: '1',
    help: 'Calls that limits admitted, once for each limit that held for them, and refused, once for the limit that was told.',
    labels: { outcome: 'admitted, refused', scope: limitScope, kind: limitKind },
  },
  limitRemaining: {
    name: 'revoagent_limit_remaining_ratio',
    type: 'gauge',
    unit: '1',
    help: 'What is left of a limit, as a share of it: the least that any call met since the last scrape.',
    labels: { scope: limitScope, kind: limitKind },
  },
  limitStore: {
    name: 'revoagent_limit_store_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of a question to the Redis that limits are counted in.',
    labels: { operation: 'reserve, amend', outcome: 'ok, failed, timeout' },
    buckets: SHORT,
  },
  limitMode: {
    name: 'revoagent_limit_mode',
    type: 'gauge',
    unit: '1',
    help: '1 for how limits are counted: in this instance alone, over all instances, or divided among them while Redis does not answer.',
    labels: { mode: 'memory, shared, share' },
  },
  limitDivisor: {
    name: 'revoagent_limit_divisor',
    type: 'gauge',
    unit: '1',
    help: 'By how many instances each limit is divided now; 1 where they count together.',
    labels: {},
  },
} as const satisfies Record<string, MetricEntry>;
