/** Circuit breakers, the retry budget, load shedding, the instances that serve together, health checks. */
import type { MetricEntry } from './entry.ts';

export const resilienceMetrics = {
  breakers: {
    name: 'revoagent_breakers',
    type: 'gauge',
    unit: '1',
    help: 'Circuit breakers by state.',
    labels: { state: 'closed, open, half_open, forced_open, disabled' },
  },
  breakerState: {
    name: 'revoagent_breaker_state',
    type: 'gauge',
    unit: '1',
    help: 'A breaker that is not closed: 1 open, 2 half-open, 3 forced open, 4 disabled. Closed ones have no series.',
    labels: { breaker: 'breakers that are not closed' },
  },
  breakerTrips: {
    name: 'revoagent_breaker_trips_total',
    type: 'counter',
    unit: '1',
    help: 'Times a circuit opened.',
    labels: {},
  },
  breakerRejections: {
    name: 'revoagent_breaker_rejections_total',
    type: 'counter',
    unit: '1',
    help: 'Calls that an open circuit spared an upstream.',
    labels: {},
  },
  breakerLate: {
    name: 'revoagent_breaker_late_results_total',
    type: 'counter',
    unit: '1',
    help: 'Results that came after the state they were let through in was over.',
    labels: {},
  },
  retryBudget: {
    name: 'revoagent_retry_budget_exhausted_total',
    type: 'counter',
    unit: '1',
    help: 'Retries that were not made because the budget was spent.',
    labels: {},
  },
  requestsShed: {
    name: 'revoagent_requests_shed_total',
    type: 'counter',
    unit: '1',
    help: 'Requests sent away with 503 because there was more to do than could be done in time.',
    labels: { reason: 'queue, event_loop, memory, full', priority: 'new, continuing, vital' },
  },
  admittedShare: {
    name: 'revoagent_admitted_share',
    type: 'gauge',
    unit: '1',
    help: 'Share of new work that is let in; under 1 the instance is turning work away.',
    labels: {},
  },
  instances: {
    name: 'revoagent_instances',
    type: 'gauge',
    unit: '1',
    help: 'Instances that live, as this one knows; itself included.',
    labels: {},
  },
  instanceDraining: {
    name: 'revoagent_instance_draining',
    type: 'gauge',
    unit: '1',
    help: '1 for each instance, as this one knows, that was told to end and serves what is under way: it answers no scrape any more.',
    labels: { peer: 'instances that live, by server.instance' },
  },
  stateDegraded: {
    name: 'revoagent_shared_state_degraded',
    type: 'gauge',
    unit: '1',
    help: '1 while the Redis of redis.stateUrl does not answer and this instance decides alone.',
    labels: {},
  },
  health: {
    name: 'revoagent_health_check_status',
    type: 'gauge',
    unit: '1',
    help: 'Last result of a health check: 0 healthy, 1 degraded, 2 unhealthy.',
    labels: { check: 'the checks there are' },
  },
} as const satisfies Record<string, MetricEntry>;
