/**
 * Every metric the hub has, in one list: what is not here does not exist, and dashboards and alerts may name only what is.
 * Names follow OpenTelemetry's semantic conventions where those have one. Labels are bounded; none holds a key or a user.
 */

export interface MetricEntry {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly help: string;
  /** Each label with what bounds its values. */
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets?: readonly number[];
}

/** Seconds. Holds the 0.1, 1 and 2 s that targets and alerts ask about. */
const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];
const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];

const route = 'a template of openapi.json, or unmatched';
const deployment = 'providers in the configuration';

const limitScope = 'organisation, project, key, agent, route';
const limitKind = 'requests, tokens, concurrent, usd-day, usd-week, usd-month';

export const catalogue = {
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
  attempts: {
    name: 'revoagent_attempts_total',
    type: 'counter',
    unit: '1',
    help: 'Calls to upstreams by how they ended.',
    labels: { provider: deployment, outcome: 'the outcomes of an attempt' },
  },
  attemptDuration: {
    name: 'revoagent_attempt_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of one call to an upstream.',
    labels: { provider: deployment },
    buckets: LATENCY,
  },
  firstToken: {
    name: 'gen_ai_server_time_to_first_token_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time from dispatch to the first content of a stream.',
    labels: { provider: deployment },
    buckets: LATENCY,
  },
  tokens: {
    name: 'gen_ai_client_token_usage_tokens_total',
    type: 'counter',
    unit: 'tokens',
    help: 'Tokens that upstreams reported.',
    labels: { provider: deployment, gen_ai_token_type: 'input, output' },
  },
  runs: {
    name: 'revoagent_runs_total',
    type: 'counter',
    unit: '1',
    help: 'Runs by how they ended.',
    labels: { status: 'the statuses of a run' },
  },
  guardrail: {
    name: 'revoagent_guardrail_total',
    type: 'counter',
    unit: '1',
    help: 'What guardrails did, before the first attempt and after the answer.',
    labels: { stage: 'before or after', action: 'allowed, changed, refused, failed_open, failed_closed' },
  },
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
  agentTurns: {
    name: 'revoagent_agent_turns_total',
    type: 'counter',
    unit: '1',
    help: 'Turns of agents by how they ended, and whether the memory was there.',
    labels: {
      end: 'stop, length, content_filter, tool_calls, steps, deadline, cost, degraded, failed, cancelled',
      memory: 'none, used, unavailable',
    },
  },
  agentTools: {
    name: 'revoagent_agent_tool_calls_total',
    type: 'counter',
    unit: '1',
    help: 'Calls of tools that the hub ran for agents.',
    labels: { outcome: 'succeeded, failed, timed_out, unknown_tool, bad_arguments, oversize' },
  },
  queries: {
    name: 'revoagent_query_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of a database query with its wait for a connection.',
    labels: { query: 'fixed names in storage/repositories', outcome: 'ok, failed' },
    buckets: SHORT,
  },
  memoryDuration: {
    name: 'revoagent_memory_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of a call of the memory system, its embedding included.',
    labels: { operation: 'remember, recall, find, list, forget', outcome: 'ok, failed, cancelled' },
    buckets: SHORT,
  },
  memoryWithoutVector: {
    name: 'revoagent_memory_without_vector_total',
    type: 'counter',
    unit: '1',
    help: 'Facts kept, and recalls served, by words only because no embedding came in time.',
    labels: { operation: 'remember, recall' },
  },
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
  cachedRuns: {
    name: 'revoagent_cached_runs_total',
    type: 'counter',
    unit: '1',
    help: 'Runs whose answer is not of their own attempts: kept, shared with a run under way, or past its time in place of a failure.',
    labels: { by: 'hit, shared, stale' },
  },
  cacheDuration: {
    name: 'revoagent_cache_operation_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of an operation on a tier of the cache beneath memory.',
    labels: {
      tier: 'redis, database',
      operation: 'acquire, put, set, invalidate, …',
      outcome: 'ok, failed, timeout, refused',
    },
    buckets: SHORT,
  },
  cacheLookups: {
    name: 'revoagent_cache_lookups_total',
    type: 'counter',
    unit: '1',
    help: 'Look-ups in the cache: answered by memory; not in memory; of these, shared with one under way; answered past their time.',
    labels: { result: 'memory, beneath, shared, stale' },
  },
  cacheBytes: {
    name: 'revoagent_cache_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of this process that the cache uses.',
    labels: {},
  },
  cacheEntries: {
    name: 'revoagent_cache_entries',
    type: 'gauge',
    unit: '1',
    help: 'Entries of the cache in the memory of this process.',
    labels: {},
  },
  cacheEvictions: {
    name: 'revoagent_cache_evictions_total',
    type: 'counter',
    unit: '1',
    help: 'Entries that left memory for want of room.',
    labels: {},
  },
  cacheGaps: {
    name: 'revoagent_cache_gaps_total',
    type: 'counter',
    unit: '1',
    help: 'Occasions on which announcements of other instances were missed, and made good.',
    labels: {},
  },
  poolWait: {
    name: 'revoagent_pool_wait_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Wait for a database connection.',
    labels: {},
    buckets: SHORT,
  },
  pool: {
    name: 'revoagent_pool_connections',
    type: 'gauge',
    unit: '1',
    help: 'Database connections.',
    labels: { state: 'total, idle, max' },
  },
  poolWaiting: {
    name: 'revoagent_pool_waiting',
    type: 'gauge',
    unit: '1',
    help: 'Callers that wait for a database connection.',
    labels: {},
  },
  backlog: {
    name: 'revoagent_run_backlog',
    type: 'gauge',
    unit: '1',
    help: 'Run records that wait for the database.',
    labels: {},
  },
  runsDropped: {
    name: 'revoagent_runs_dropped_total',
    type: 'counter',
    unit: '1',
    help: 'Run records given up: the backlog was full, or the database refused their values.',
    labels: {},
  },
  contentsDropped: {
    name: 'revoagent_contents_dropped_total',
    type: 'counter',
    unit: '1',
    help: 'Runs of which what was said is lost: the backlog was full, or the database refused it.',
    labels: {},
  },
  ledgerBacklog: {
    name: 'revoagent_ledger_backlog',
    type: 'gauge',
    unit: '1',
    help: 'Rows of the usage ledger in memory that wait for the database.',
    labels: {},
  },
  ledgerJournal: {
    name: 'revoagent_ledger_journal_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Size of the usage ledger’s journal on disk.',
    labels: {},
  },
  ledgerRows: {
    name: 'revoagent_ledger_rows_total',
    type: 'counter',
    unit: '1',
    help: 'Rows of the usage ledger that the database took, and those given up.',
    labels: { end: 'written, dropped' },
  },
  ledgerUnjournalled: {
    name: 'revoagent_ledger_unjournalled_total',
    type: 'counter',
    unit: '1',
    help: 'Attempts that went out without a line in the journal, which was full or failed.',
    labels: {},
  },
  health: {
    name: 'revoagent_health_check_status',
    type: 'gauge',
    unit: '1',
    help: 'Last result of a health check: 0 healthy, 1 degraded, 2 unhealthy.',
    labels: { check: 'the checks there are' },
  },
  eventLoopDelay: {
    name: 'revoagent_event_loop_delay_p99_seconds',
    type: 'gauge',
    unit: 's',
    help: '99th percentile of the event loop delay since the last scrape.',
    labels: {},
  },
  eventLoopUtilisation: {
    name: 'revoagent_event_loop_utilisation_ratio',
    type: 'gauge',
    unit: '1',
    help: 'Share of time the event loop was busy since the last scrape.',
    labels: {},
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

export type MetricKey = keyof typeof catalogue;

export const entries: readonly MetricEntry[] = Object.values(catalogue);
