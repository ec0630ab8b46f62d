/** Whether all is well, in one look: rate, errors and duration of what is served, and what of it is alarming. */
import type { Board } from './board.ts';
import { SERVED, countRate, of, orZero, quantile, rate, ratio } from './promql.ts';

const requests = countRate('httpDuration', '', SERVED);
const failed = rate('requestErrors', '', SERVED);

export const overview: Board = {
  uid: 'revoagent-overview',
  title: 'Overview',
  about: 'Rate, errors and duration of what the hub serves. Start here.',
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Requests',
          about: 'Requests a second, without probes.',
          unit: 'reqps',
          shape: 'number',
          queries: [{ expr: requests, legend: 'requests' }],
        },
        {
          title: 'Errors',
          about: '5xx and streams that ended in an error. The objective is 0.1 %; an alert comes at 5 %.',
          unit: 'percentunit',
          shape: 'number',
          bad: [0.001, 0.05],
          queries: [{ expr: ratio(orZero(failed), requests), legend: 'errors' }],
        },
        {
          title: 'Hub time, p95',
          about:
            'What the hub itself took; waiting for models is not in it. The target is 100 ms; alerts come at 1 s and 2 s.',
          unit: 's',
          shape: 'number',
          bad: [0.1, 1],
          queries: [{ expr: quantile(0.95, 'hubTime', '', SERVED), legend: 'p95' }],
        },
        {
          title: 'In flight',
          about: 'Requests being served now.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: `sum(${of('inFlight')})`, legend: 'in flight' }],
        },
        {
          title: 'Instances',
          about: 'Hubs that answer Prometheus.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: 'sum(up{job="hub", instance=~"$instance"})', legend: 'up' }],
        },
        {
          title: 'Alerts',
          about: 'Alerts that fire now; Alertmanager tells which.',
          unit: 'short',
          shape: 'number',
          bad: [1, 5],
          queries: [{ expr: orZero('count(ALERTS{alertstate="firing"})'), legend: 'firing' }],
        },
      ],
    },
    {
      title: 'Requests',
      panels: [
        {
          title: 'By operation',
          about: 'Requests a second by template of the path.',
          unit: 'reqps',
          shape: 'stacked',
          queries: [{ expr: countRate('httpDuration', 'http_route', SERVED), legend: '{{http_route}}' }],
        },
        {
          title: 'By status',
          about: "4xx are the callers' doing, 5xx the hub's or an upstream's.",
          unit: 'reqps',
          shape: 'stacked',
          queries: [
            {
              expr: countRate('httpDuration', 'http_response_status_code', SERVED),
              legend: '{{http_response_status_code}}',
            },
          ],
        },
        {
          title: 'Errors by operation',
          about: 'By status: 5xx. By stream: a status 200 was sent, and an error event after it.',
          unit: 'reqps',
          queries: [
            { expr: rate('requestErrors', 'http_route, kind'), legend: '{{http_route}}, by {{kind}}' },
            { expr: orZero(failed), legend: 'all' },
          ],
        },
      ],
    },
    {
      title: 'Duration',
      panels: [
        {
          title: 'Hub time',
          about: 'What the hub itself took.',
          unit: 's',
          bad: [1, 2],
          queries: [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, 'hubTime', '', SERVED), legend: `p${q * 100}` })),
        },
        {
          title: 'Whole time',
          about: 'From the first byte of the request to the last of the answer: mostly models that think.',
          unit: 's',
          queries: [0.5, 0.95, 0.99].map((q) => ({
            expr: quantile(q, 'httpDuration', '', SERVED),
            legend: `p${q * 100}`,
          })),
        },
        {
          title: 'Health checks, p95',
          about: 'The target is 50 ms.',
          unit: 's',
          bad: [0.05, 0.5],
          queries: [
            { expr: quantile(0.95, 'httpDuration', 'http_route', 'http_route=~"/health.*"'), legend: '{{http_route}}' },
          ],
        },
      ],
    },
    {
      title: 'Runs and sockets',
      panels: [
        {
          title: 'Runs',
          about: 'Chats and embeddings by how they ended.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('runs', 'status'), legend: '{{status}}' }],
        },
        {
          title: 'Turns of agents',
          about: 'By how they ended.',
          unit: 'ops',
          shape: 'stacked',
          queries: [{ expr: rate('agentTurns', 'end'), legend: '{{end}}' }],
        },
        {
          title: 'WebSockets',
          about: 'Open sockets, and the runs on them.',
          unit: 'short',
          queries: [
            { expr: `sum(${of('sockets')})`, legend: 'sockets' },
            { expr: `sum(${of('socketRuns')})`, legend: 'runs' },
          ],
        },
      ],
    },
  ],
};
