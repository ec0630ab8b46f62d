/** Each hub, the balancer and the machine: processor, memory, event loop, connections. */
import type { Board } from './board.ts';
import { of, orZero, rate, SERVED } from './promql.ts';

export const instances: Board = {
  uid: 'revoagent-instances',
  title: 'Instances',
  about: 'Processor, memory, event loop and garbage collection by instance; the balancer; the machine.',
  rows: [
    {
      title: 'Hubs',
      panels: [
        {
          title: 'Up',
          about: 'Answers Prometheus.',
          unit: 'short',
          queries: [{ expr: 'up{job="hub", instance=~"$instance"}', legend: '{{instance}}' }],
        },
        {
          title: 'Processor',
          about: 'Cores. One hub uses one; an alert comes at 0.8.',
          unit: 'percentunit',
          bad: [0.7, 0.8],
          queries: [{ expr: rate('cpu', 'instance'), legend: '{{instance}}' }],
        },
        {
          title: 'Memory',
          about: 'Resident. The target is below 2 GB.',
          unit: 'bytes',
          queries: [{ expr: `sum by (instance) (${of('rss')})`, legend: '{{instance}}' }],
        },
        {
          title: 'Heap',
          about: 'Share of the largest heap; an alert comes at 80 %.',
          unit: 'percentunit',
          bad: [0.7, 0.8],
          queries: [{ expr: `${of('heap')} / ${of('heapLimit')}`, legend: '{{instance}}' }],
        },
        {
          title: 'Event loop delay, p99',
          about: 'Of the last 15 to 30 s; an alert comes at 200 ms.',
          unit: 's',
          bad: [0.1, 0.2],
          queries: [
            { expr: of('eventLoopDelay'), legend: '{{instance}}' },
            { expr: of('eventLoopDelayMax'), legend: '{{instance}}, longest' },
          ],
        },
        {
          title: 'Event loop utilisation',
          about: 'Share of time it was busy.',
          unit: 'percentunit',
          bad: [0.7, 0.9],
          queries: [{ expr: of('eventLoopUtilisation'), legend: '{{instance}}' }],
        },
        {
          title: 'Garbage collection',
          about: 'Share of time, by kind.',
          unit: 'percentunit',
          queries: [{ expr: rate('gc', 'kind', '', '_sum'), legend: '{{kind}}' }],
        },
        {
          title: 'Requests',
          about: 'How the balancer shares them.',
          unit: 'reqps',
          shape: 'stacked',
          queries: [{ expr: rate('httpDuration', 'instance', SERVED, '_count'), legend: '{{instance}}' }],
        },
        {
          title: 'WebSockets',
          about: 'Open, by instance.',
          unit: 'short',
          shape: 'stacked',
          queries: [{ expr: `sum by (instance) (${of('sockets')})`, legend: '{{instance}}' }],
        },
        {
          title: 'Messages on sockets',
          about: 'A second.',
          unit: 'ops',
          queries: [{ expr: rate('socketMessages', 'direction'), legend: '{{direction}}' }],
        },
        {
          title: 'Sockets that ended',
          about: 'By close code.',
          unit: 'ops',
          queries: [{ expr: orZero(rate('socketCloses', 'code')), legend: '{{code}}' }],
        },
        {
          title: 'Steps of the clock',
          about: 'Times that the wall clock jumped by over a second.',
          unit: 'short',
          queries: [{ expr: `increase(${of('clockSteps')}[$__rate_interval])`, legend: '{{instance}}' }],
        },
        {
          title: 'Reloads of the configuration',
          about:
            'By whether they were taken up. Refused: the file is invalid, and the next start would fail until one is applied.',
          unit: 'short',
          queries: [
            { expr: `1 - ${of('configTaken')}`, legend: '{{instance}}, refused and not mended' },
            {
              expr: `sum by (instance, outcome) (increase(${of('configReloads')}[$__rate_interval]))`,
              legend: '{{instance}}, {{outcome}}',
            },
          ],
        },
        {
          title: 'Spans of traces',
          about: 'By what became of them; none where traces are off. Dropped: the collector is away or slow.',
          unit: 'ops',
          queries: [{ expr: rate('spans', 'end'), legend: '{{end}}' }],
        },
        {
          title: 'Uptime and version',
          about: 'Since the hub started.',
          unit: 's',
          queries: [
            {
              expr: `${of('uptime')} * on (instance) group_left (version) ${of('build')}`,
              legend: '{{instance}}: {{version}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Balancer',
      panels: [
        {
          title: 'Requests',
          about: 'Through the balancer, a second.',
          unit: 'reqps',
          queries: [{ expr: 'sum(rate(nginx_http_requests_total[$__rate_interval]))', legend: 'requests' }],
        },
        {
          title: 'Connections',
          about: 'By what they do.',
          unit: 'short',
          queries: ['active', 'reading', 'writing', 'waiting'].map((state) => ({
            expr: `sum(nginx_connections_${state})`,
            legend: state,
          })),
        },
        {
          title: 'Accepted and handled',
          about: 'They differ where the balancer is full.',
          unit: 'ops',
          queries: ['accepted', 'handled'].map((what) => ({
            expr: `sum(rate(nginx_connections_${what}[$__rate_interval]))`,
            legend: what,
          })),
        },
      ],
    },
    {
      title: 'Machine',
      panels: [
        {
          title: 'Processor',
          about: 'Busy; an alert comes at 80 %.',
          unit: 'percentunit',
          bad: [0.7, 0.8],
          queries: [
            {
              expr: '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
              legend: '{{instance}}',
            },
          ],
        },
        {
          title: 'Memory',
          about: 'In use; an alert comes at 80 %.',
          unit: 'percentunit',
          bad: [0.7, 0.8],
          queries: [
            { expr: '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes', legend: '{{instance}}' },
          ],
        },
        {
          title: 'Disks',
          about: 'In use; an alert comes at 80 %.',
          unit: 'percentunit',
          bad: [0.7, 0.8],
          queries: [
            {
              expr: '1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} / node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"}',
              legend: '{{mountpoint}}',
            },
          ],
        },
      ],
    },
  ],
};
