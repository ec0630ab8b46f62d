/** What is served: requests and WebSockets. */
import type { MetricEntry } from './entry.ts';
import { LATENCY, SHORT, route } from './entry.ts';

export const requestsMetrics = {
  httpDuration: {
    name: 'http_server_request_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time from the first byte of a request to the end of its answer.',
    labels: {
      http_request_method: 'HTTP methods the API has',
      http_route: route,
      http_response_status_code: 'status codes',
    },
    buckets: LATENCY,
  },
  hubTime: {
    name: 'revoagent_hub_time_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Request time minus waiting for upstreams: what the hub itself took.',
    labels: { http_route: route },
    buckets: SHORT,
  },
  requestErrors: {
    name: 'revoagent_request_errors_total',
    type: 'counter',
    unit: '1',
    help: 'Requests answered 5xx, and streams that ended in an error after status 200.',
    labels: { http_route: route, kind: 'status, stream' },
  },
  inFlight: {
    name: 'revoagent_requests_in_flight',
    type: 'gauge',
    unit: '1',
    help: 'Requests being served now.',
    labels: {},
  },
  sockets: {
    name: 'revoagent_sockets',
    type: 'gauge',
    unit: '1',
    help: 'WebSockets that are open now.',
    labels: {},
  },
  socketRuns: {
    name: 'revoagent_socket_runs',
    type: 'gauge',
    unit: '1',
    help: 'Runs under way on WebSockets now.',
    labels: {},
  },
  socketMessages: {
    name: 'revoagent_socket_messages_total',
    type: 'counter',
    unit: '1',
    help: 'Messages on WebSockets.',
    labels: { direction: 'received, sent' },
  },
  socketCloses: {
    name: 'revoagent_socket_closes_total',
    type: 'counter',
    unit: '1',
    help: 'WebSockets that ended, by close code.',
    labels: { code: 'the close codes of docs/websocket.md, or other' },
  },
} as const satisfies Record<string, MetricEntry>;
