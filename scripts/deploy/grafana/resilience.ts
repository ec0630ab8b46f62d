/** What the hub does against failures: circuits, retries and their budget, fallbacks. */
import type { Board } from './board.ts';
import { of, orZero, quantile, rate, ratio } from './promql.ts';

export const resilience: Board = {
  uid: 'revoagent-resilience',
  title: 'Resilience',
  about: 'Circuit breakers, retries and what stood in for a failed answer.',
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Open circuits',
          about: 'Open, or forced open. GET /api/circuit-breakers tells which and why.',
          unit: 'short',
          shape: 'number',
          bad: [1, 1],
          queries: [{ expr: `sum(${of('breakers', 'state=~"open|forced_open"')})`, legend: 'open' }],
        },
        {
          title: 'Half-open',
          about: 'On their way back: one probe at a time.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: `sum(${of('breakers', 'state="half_open"')})`, legend: 'half-open' }],
        },
        {
          title: 'Calls spared',
          about: 'Calls a second that open circuits kept from sick upstreams.',
          unit: 'ops',
          shape: 'number',
          queries: [{ expr: rate('breakerRejections'), legend: 'rejected' }],
        },
        {
          title: 'Budget spent',
          about: 'Retries a second that were not made because too much failed.',
          unit: 'ops',
          shape: 'number',
          bad: [0.01, 1],
          queries: [{ expr: rate('retryBudget'), legend: 'not made' }],
        },
        {
          title: 'Health checks',
          about: 'Those that are degraded or unhealthy.',
          unit: 'short',
          shape: 'number',
          bad: [1, 2],
          queries: [{ expr: orZero(`count(${of('health')} > 0)`), legend: 'not healthy' }],
        },
        {
          title: 'Guardrails that failed',
          about: 'A second.',
          unit: 'ops',
          shape: 'number',
          bad: [0.01, 1],
          queries: [{ expr: orZero(rate('guardrail', '', 'action=~"failed_open|failed_closed"')), legend: 'failed' }],
        },
      ],
    },
    {
      title: 'Circuits',
      panels: [
        {
          title: 'By state',
          about: 'All circuits of all instances.',
          unit: 'short',
          shape: 'stacked',
          queries: [{ expr: `sum by (state) (${of('breakers')})`, legend: '{{state}}' }],
        },
        {
          title: 'Not closed',
          about: '1 open, 2 half-open, 3 forced open, 4 disabled. Closed ones are not drawn.',
          unit: 'short',
          queries: [{ expr: `max by (breaker) (${of('breakerState')})`, legend: '{{breaker}}' }],
        },
        {
          title: 'Trips and late results',
          about: 'Late: a result of a call that was let through in an earlier state; it changes nothing.',
          unit: 'ops',
          queries: [
            { expr: rate('breakerTrips'), legend: 'trips' },
            { expr: rate('breakerLate'), legend: 'late results' },
          ],
        },
      ],
    },
    {
      title: 'Load and instances',
      panels: [
        {
          title: 'Turned away',
          about: 'Requests answered 503 because there was more to do than could be done in time, by reason.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('requestsShed', 'reason'), legend: '{{reason}}' }],
        },
        {
          title: 'Share of new work let in',
          about: 'Under 1 an instance is turning work away.',
          unit: 'percentunit',
          queries: [{ expr: `min by (instance) (${of('admittedShare')})`, legend: '{{instance}}' }],
        },
        {
          title: 'Instances that see each other',
          about: 'As each knows them; alone: those that do not reach the Redis for state.',
          unit: 'short',
          queries: [
            { expr: `max(${of('instances')})`, legend: 'most' },
            { expr: `min(${of('instances')})`, legend: 'fewest' },
            { expr: `max by (peer) (${of('instanceDraining')})`, legend: '{{peer}} ends' },
            { expr: `sum(${of('stateDegraded')})`, legend: 'alone' },
          ],
        },
      ],
    },
    {
      title: 'Attempts',
      panels: [
        {
          title: 'Failures by kind',
          about: 'Attempts that did not succeed.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('attempts', 'outcome', 'outcome!="succeeded"'), legend: '{{outcome}}' }],
        },
        {
          title: 'Attempts a run',
          about: 'At most 4; 1 where nothing is repeated.',
          unit: 'short',
          bad: [1.2, 2],
          queries: [{ expr: ratio(rate('attempts'), rate('runs')), legend: 'attempts' }],
        },
        {
          title: 'Answers without an attempt',
          about: 'Kept, shared with a run under way, or past their time in place of a failure.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('cachedRuns', 'by'), legend: '{{by}}' }],
        },
      ],
    },
    {
      title: 'Limits',
      panels: [
        {
          title: 'Decisions',
          about: 'Admitted, once for each limit that held; refused, once for the one that was told.',
          unit: 'ops',
          shape: 'stacked',
          queries: [
            {
              expr: orZero(rate('limitDecisions', 'outcome, scope, kind')),
              legend: '{{outcome}}: {{kind}} of {{scope}}',
            },
          ],
        },
        {
          title: 'Left',
          about: 'The least that any call met since the last scrape, as a share of the limit.',
          unit: 'percentunit',
          queries: [
            { expr: `(min by (scope, kind) (${of('limitRemaining')}) or vector(1))`, legend: '{{kind}} of {{scope}}' },
          ],
        },
        {
          title: 'Redis of limits, p95',
          about: 'A question before a call, and one after it that nobody waits for.',
          unit: 's',
          queries: [{ expr: orZero(quantile(0.95, 'limitStore', 'operation')), legend: '{{operation}}' }],
        },
        {
          title: 'How they are counted',
          about: 'In one instance alone, shared over all, or as a share each while Redis does not answer.',
          unit: 'short',
          queries: [{ expr: `sum by (mode) (${of('limitMode')})`, legend: '{{mode}}' }],
        },
        {
          title: 'Divided by',
          about: 'By how many instances each limit is divided; 1 where they count together.',
          unit: 'short',
          queries: [{ expr: `max(${of('limitDivisor')})`, legend: 'instances' }],
        },
      ],
    },
    {
      title: 'Health',
      panels: [
        {
          title: 'Checks',
          about: '0 healthy, 1 degraded, 2 unhealthy.',
          unit: 'short',
          bad: [1, 2],
          queries: [{ expr: `max by (check) (${of('health')})`, legend: '{{check}}' }],
        },
        {
          title: 'Records that wait',
          about: 'Runs and rows of the ledger that wait for the database.',
          unit: 'short',
          bad: [1000, 5000],
          queries: [
            { expr: `sum(${of('backlog')})`, legend: 'runs' },
            { expr: `sum(${of('ledgerBacklog')})`, legend: 'ledger' },
          ],
        },
        {
          title: 'Records given up',
          about: 'Any is one too many.',
          unit: 'ops',
          queries: [
            { expr: rate('runsDropped'), legend: 'runs' },
            { expr: rate('contentsDropped'), legend: 'contents' },
            { expr: rate('ledgerRows', '', 'end="dropped"'), legend: 'ledger' },
          ],
        },
      ],
    },
  ],
};
