/** What the runtime says of the process. */
import type { MetricEntry } from './entry.ts';

const PAUSES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

export const processMetrics = {
  eventLoopDelay: {
    name: 'revoagent_event_loop_delay_p99_seconds',
    type: 'gauge',
    unit: 's',
    help: '99th percentile of the event loop delay in the last 15 to 30 s.',
    labels: {},
  },
  eventLoopDelayMax: {
    name: 'revoagent_event_loop_delay_max_seconds',
    type: 'gauge',
    unit: 's',
    help: 'Longest event loop delay in the last 15 to 30 s.',
    labels: {},
  },
  eventLoopUtilisation: {
    name: 'revoagent_event_loop_utilisation_ratio',
    type: 'gauge',
    unit: '1',
    help: 'Share of time the event loop was busy in the last 15 to 30 s.',
    labels: {},
  },
  gc: {
    name: 'revoagent_gc_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Pauses for garbage collection.',
    labels: { kind: 'minor, major, incremental, weak' },
    buckets: PAUSES,
  },
  cpu: { name: 'process_cpu_seconds_total', type: 'counter', unit: 's', help: 'CPU time of the process.', labels: {} },
  rss: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of the process.',
    labels: {},
  },
  heap: {
    name: 'revoagent_heap_used_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'JavaScript heap in use.',
    labels: {},
  },
  heapLimit: {
    name: 'revoagent_heap_limit_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Largest JavaScript heap.',
    labels: {},
  },
  clockSteps: {
    name: 'revoagent_clock_steps_total',
    type: 'counter',
    unit: '1',
    help: 'Scrapes at which the wall clock had jumped by over a second against the monotonic one.',
    labels: {},
  },
  configReloads: {
    name: 'revoagent_config_reloads_total',
    type: 'counter',
    unit: '1',
    help: 'Configurations that SIGHUP made the hub read, by whether they were taken up; refused: the one before stays in force.',
    labels: { outcome: 'applied, refused' },
  },
  configTaken: {
    name: 'revoagent_config_last_reload_successful',
    type: 'gauge',
    unit: '1',
    help: '1: the configuration in force is the one that was read last. 0: that one was refused, and the next start would fail.',
    labels: {},
  },
  spans: {
    name: 'revoagent_trace_spans_total',
    type: 'counter',
    unit: '1',
    help: 'Spans of traces, by what became of them; dropped: there was no room for them, the collector being away or slow.',
    labels: { end: 'exported, dropped, rejected' },
  },
  uptime: {
    name: 'revoagent_uptime_seconds',
    type: 'gauge',
    unit: 's',
    help: 'Time since the hub started.',
    labels: {},
  },
  build: {
    name: 'revoagent_build_info',
    type: 'gauge',
    unit: '1',
    help: 'Always 1; the labels say what runs.',
    labels: { version: 'one', node: 'one' },
  },
} as const satisfies Record<string, MetricEntry>;
