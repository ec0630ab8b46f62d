/** The objective of 99.9 % and the budget of errors it leaves: how fast it burns and what is left. */
import type { Board } from './board.ts';
import { SERVED, orZero, quantile, rate, ratio } from './promql.ts';

/** 99.9 % of requests without an error. */
const BUDGET = 0.001;
const failed = 'sum(increase(revoagent_request_errors_total{job="hub", http_route!~"/health.*|/metrics"}[30d]))';
const served =
  'sum(increase(http_server_request_duration_seconds_count{job="hub", http_route!~"/health.*|/metrics"}[30d]))';
const left = `1 - ${orZero(failed)} / (${served} * ${BUDGET} > 0)`;
const WINDOWS = ['5m', '30m', '1h', '6h', '3d'];

export const slo: Board = {
  uid: 'revoagent-slo',
  title: 'Objective',
  about: '99.9 % of requests end without an error, over 30 days. Burn rate 1 spends the budget in just that time.',
  rows: [
    {
      title: 'Thirty days',
      panels: [
        {
          title: 'Availability',
          about: 'Share of requests that ended without an error.',
          unit: 'percentunit',
          shape: 'number',
          queries: [{ expr: `1 - ${orZero(failed)} / (${served} > 0)`, legend: 'availability' }],
        },
        {
          title: 'Budget left',
          about: 'Of the errors that 99.9 % allow.',
          unit: 'percentunit',
          shape: 'number',
          queries: [{ expr: left, legend: 'left' }],
        },
        {
          title: 'Requests',
          about: 'Served in thirty days, or since Prometheus began.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: served, legend: 'requests' }],
        },
        {
          title: 'Errors',
          about: 'In thirty days, or since Prometheus began.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: orZero(failed), legend: 'errors' }],
        },
        {
          title: 'Burn rate, 1 h',
          about: 'Above 14.4 somebody is called.',
          unit: 'short',
          shape: 'number',
          bad: [1, 14.4],
          queries: [{ expr: `${orZero('revoagent:error_ratio:rate1h')} / ${BUDGET}`, legend: '1 h' }],
        },
        {
          title: 'Uptime of instances',
          about: 'Share of scrapes that were answered, in a day.',
          unit: 'percentunit',
          shape: 'number',
          queries: [{ expr: 'avg(avg_over_time(up{job="hub"}[1d]))', legend: 'uptime' }],
        },
      ],
    },
    {
      title: 'Burning',
      panels: [
        {
          title: 'Burn rate',
          about:
            'Calls somebody: over 14.4 in 1 h and 5 min, or over 6 in 6 h and 30 min. A ticket: over 1 in 3 days and 6 h.',
          unit: 'short',
          bad: [1, 14.4],
          queries: WINDOWS.map((window) => ({
            expr: `${orZero(`revoagent:error_ratio:rate${window}`)} / ${BUDGET}`,
            legend: window,
          })),
        },
        {
          title: 'Errors',
          about: 'Share of requests.',
          unit: 'percentunit',
          bad: [BUDGET, 0.05],
          queries: [
            {
              expr: ratio(orZero(rate('requestErrors', '', SERVED)), rate('httpDuration', '', SERVED, '_count')),
              legend: 'errors',
            },
          ],
        },
        {
          title: 'Hub time, p95',
          about: 'The target is 100 ms.',
          unit: 's',
          bad: [0.1, 1],
          queries: [{ expr: quantile(0.95, 'hubTime', '', SERVED), legend: 'p95' }],
        },
      ],
    },
  ],
};
