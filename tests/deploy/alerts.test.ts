/** The alert rules against a real promtool: each fires for its fault, does not fire just below it, and resolves; each has its page. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { temporaryFolder } from '../helpers/hub-process.ts';
import { namesIn, unknownIn } from '../helpers/promql.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { requireTool } from '../helpers/tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RULES = path.join(ROOT, 'deploy/prometheus/rules');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string; readonly service?: string };
  readonly annotations?: { readonly summary?: string; readonly runbook?: string };
}

const rules = readdirSync(RULES).flatMap((file) => {
  const { groups } = parse(readFileSync(path.join(RULES, file), 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
});
const alerts = rules.filter((rule) => rule.alert !== undefined);

/** What makes an alert fire from the start on, what is just not enough, and how far the series go on. `a+bxn` as promtool writes series. */
interface Case {
  readonly fires: Readonly<Record<string, string>>;
  readonly quiet: Readonly<Record<string, string>>;
  /** As `fires`, until the hundredth minute; then all is well. */
  readonly resolves: Readonly<Record<string, string>>;
}

const requests = (perMinute: number): string => `0+${perMinute}x200`;
const both = (bad: number, good = 0): string => `0+${bad}x100 ${bad * 100}+${good}x100`;
const REQUESTS = 'http_server_request_duration_seconds_count{http_route="/v1/chat/completions"}';
const ERRORS = 'revoagent_request_errors_total{http_route="/v1/chat/completions"}';
const hubTime = (seconds: number, slow: number, rest = '200'): Record<string, string> => ({
  [`revoagent_hub_time_seconds_bucket{http_route="/api/chat",le="${seconds}"}`]: `0+${100 - slow}x${rest}`,
  [`revoagent_hub_time_seconds_bucket{http_route="/api/chat",le="${seconds * 2}"}`]: `0+100x${rest}`,
  'revoagent_hub_time_seconds_bucket{http_route="/api/chat",le="+Inf"}': `0+100x${rest}`,
});
/** A page that is slow, once in a while, beside work that is not. */
const slowPages = (seconds: number): Record<string, string> => ({
  ...hubTime(seconds, 5),
  [`revoagent_hub_time_seconds_bucket{http_route="/assets/{file}",le="${seconds}"}`]: '0+0x200',
  [`revoagent_hub_time_seconds_bucket{http_route="/assets/{file}",le="${seconds * 2}"}`]: '0+100x200',
  'revoagent_hub_time_seconds_bucket{http_route="/assets/{file}",le="+Inf"}': '0+100x200',
});
const gauge = (name: string, fires: number, quiet: number): Case => ({
  fires: { [name]: `${fires}x200` },
  quiet: { [name]: `${quiet}x200` },
  resolves: { [name]: `${fires}x100 ${quiet}x100` },
});
const share = (part: string, whole: string, fires: number, quiet: number): Case => ({
  fires: { [part]: `${fires}x200`, [whole]: '100x200' },
  quiet: { [part]: `${quiet}x200`, [whole]: '100x200' },
  resolves: { [part]: `${fires}x100 ${quiet}x100`, [whole]: '100x200' },
});
const errors = (fires: number, quiet: number): Case => ({
  fires: { [ERRORS]: requests(fires), [REQUESTS]: requests(1_000) },
  quiet: { [ERRORS]: requests(quiet), [REQUESTS]: requests(1_000) },
  resolves: { [ERRORS]: both(fires), [REQUESTS]: requests(1_000) },
});

const counter = (name: string, fires: number, quiet: number): Case => ({
  fires: { [name]: `0+${fires}x200` },
  quiet: { [name]: `0+${quiet}x200` },
  resolves: { [name]: `0+${fires}x100 ${fires * 100}x100` },
});
/** A part of a counter's series by `outcome`: 12 of 112 fail, and 11 of 111 do. */
const failing = (name: string, label: string, bad: string, good: string): Case => {
  const series = (outcome: string): string => `${name}{${label},outcome="${outcome}"}`;
  return {
    fires: { [series(bad)]: '0+12x200', [series(good)]: '0+100x200' },
    quiet: { [series(bad)]: '0+11x200', [series(good)]: '0+100x200' },
    resolves: { [series(bad)]: both(12), [series(good)]: '0+100x200' },
  };
};
const growing = (name: string, from: number, step: number, limit: string, of: number): Record<string, string> => ({
  [name]: `${from}+${step}x200`,
  [limit]: `${of}x200`,
});
const records = (dropped: string): Record<string, string> => ({
  revoagent_runs_dropped_total: '0x200',
  revoagent_contents_dropped_total: dropped,
  'revoagent_ledger_rows_total{end="dropped"}': '0x200',
});
/** Calls of 1 s, from a minute on of so many seconds, and of 1 s again from `until` on. */
const slowFrom = (minute: number, seconds: number, until = 200): Record<string, string> => {
  const all = `0+60x200`;
  const fast = `0+60x${minute} ${minute * 60}x${until - minute} ${minute * 60 + 60}+60x${200 - until}`;
  const BOUNDS = [1, 2, 5, 10] as const;
  const of = (le: number): string => (le >= seconds ? all : fast);
  const series = (le: number | string): string =>
    `revoagent_attempt_duration_seconds_bucket{provider="one",le="${le}"}`;
  return { ...Object.fromEntries(BOUNDS.map((le) => [series(le), of(le)])), [series('+Inf')]: all };
};
const queries = (slow: number): Record<string, string> => ({
  'revoagent_query_duration_seconds_bucket{le="0.5"}': `0+${100 - slow}x200`,
  'revoagent_query_duration_seconds_bucket{le="1"}': '0+100x200',
  'revoagent_query_duration_seconds_bucket{le="+Inf"}': '0+100x200',
});
/** Of two hundred look-ups a minute ten are shared, and so many answered by Redis. */
const cached = (answered: string): Record<string, string> => ({
  'revoagent_cache_lookups_total{result="memory"}': '0x200',
  'revoagent_cache_lookups_total{result="shared"}': '0+10x200',
  'revoagent_cache_lookups_total{result="beneath"}': '0+200x200',
  'revoagent_cache_tier_lookups_total{tier="redis",result="hit"}': answered,
});
const AVAILABLE = 'node_filesystem_avail_bytes{fstype="ext4",mountpoint="/"}';
const DISK = { 'node_filesystem_size_bytes{fstype="ext4",mountpoint="/"}': '100000x200' };

const CASES: Readonly<Record<string, Case>> = {
  HubDown: gauge('up{job="hub",instance="hub-1"}', 0, 1),
  HubInstanceDown: {
    fires: {
      'up{job="hub",instance="hub-1"}': '0x200',
      // Another one is told to end, and two know of it.
      'up{job="hub",instance="hub-2"}': '0x200',
      'revoagent_instance_draining{instance="hub-3",peer="hub-2"}': '1x200',
      'revoagent_instance_draining{instance="hub-4",peer="hub-2"}': '1x200',
    },
    quiet: {
      'up{job="hub",instance="hub-1"}': '0x200',
      'revoagent_instance_draining{instance="hub-2",peer="hub-1"}': '1x200',
      'revoagent_instance_draining{instance="hub-3",peer="hub-1"}': '1x200',
    },
    resolves: { 'up{job="hub",instance="hub-1"}': '0x100 1x100' },
  },
  ErrorRateHigh: errors(51, 50),
  BreakerOpen: gauge('revoagent_breaker_state{breaker="provider:one"}', 1, 2),
  LatencyHigh: {
    fires: hubTime(1, 6),
    quiet: slowPages(1),
    resolves: {
      ...hubTime(1, 6, '100'),
      'revoagent_hub_time_seconds_bucket{http_route="/api/chat",le="1"}': '0+94x100 9400+100x100',
    },
  },
  LatencyVeryHigh: {
    fires: hubTime(2, 6),
    quiet: slowPages(2),
    resolves: {
      ...hubTime(2, 6, '100'),
      'revoagent_hub_time_seconds_bucket{http_route="/api/chat",le="2"}': '0+94x100 9400+100x100',
    },
  },
  HubCpuHigh: {
    fires: { 'process_cpu_seconds_total{job="hub",instance="hub-1"}': '0+49x200' },
    quiet: { 'process_cpu_seconds_total{job="hub",instance="hub-1"}': '0+47x200' },
    resolves: { 'process_cpu_seconds_total{job="hub",instance="hub-1"}': both(49, 10) },
  },
  HubMemoryHigh: share('revoagent_heap_used_bytes', 'revoagent_heap_limit_bytes', 81, 80),
  EventLoopSlow: gauge('revoagent_event_loop_delay_p99_seconds', 0.21, 0.2),
  LedgerBacklogHigh: gauge('revoagent_ledger_backlog', 5_001, 5_000),
  RetryBudgetExhausted: {
    fires: { revoagent_retry_budget_exhausted_total: '0+3x200' },
    quiet: { revoagent_retry_budget_exhausted_total: '0+1x200' },
    resolves: { revoagent_retry_budget_exhausted_total: both(3) },
  },
  UpstreamFailures: {
    fires: {
      'revoagent_attempts_total{provider="one",outcome="status"}': '0+12x200',
      'revoagent_attempts_total{provider="one",outcome="succeeded"}': '0+100x200',
    },
    quiet: {
      'revoagent_attempts_total{provider="one",outcome="status"}': '0+11x200',
      'revoagent_attempts_total{provider="one",outcome="succeeded"}': '0+100x200',
      'revoagent_attempts_total{provider="one",outcome="cancelled"}': '0+100x200',
    },
    resolves: {
      'revoagent_attempts_total{provider="one",outcome="status"}': both(12),
      'revoagent_attempts_total{provider="one",outcome="succeeded"}': '0+100x200',
    },
  },
  ErrorBudgetBurnsFast: errors(15, 14),
  ErrorBudgetBurns: errors(7, 6),
  ErrorBudgetBurnsSlowly: {
    fires: { [ERRORS]: requests(2), [REQUESTS]: requests(1_000) },
    quiet: { [ERRORS]: requests(1), [REQUESTS]: requests(1_000) },
    // Three days are long: what resolves it here is that much more goes well.
    resolves: { [ERRORS]: both(2), [REQUESTS]: both(1_000, 10_000) },
  },
  EventLoopBlocked: gauge('revoagent_event_loop_delay_max_seconds', 2.1, 2),
  HubMemoryGrows: {
    fires: growing('revoagent_heap_used_bytes', 1_000, 6, 'revoagent_heap_limit_bytes', 2_200),
    quiet: growing('revoagent_heap_used_bytes', 1_000, 3, 'revoagent_heap_limit_bytes', 2_200),
    resolves: {
      revoagent_heap_used_bytes: '1000+6x100 1000+0x100',
      revoagent_heap_limit_bytes: '2200x200',
    },
  },
  ConfigReloadRefused: gauge('revoagent_config_last_reload_successful', 0, 1),
  ClockStepped: counter('revoagent_clock_steps_total', 1, 0),
  HealthCheckUnhealthy: gauge('revoagent_health_check_status{check="database"}', 2, 1),
  RecordsLost: {
    fires: records('0+1x200'),
    quiet: records('7x200'),
    resolves: records(both(1)),
  },
  UpstreamSlow: { fires: slowFrom(90, 8), quiet: slowFrom(90, 2), resolves: slowFrom(90, 8, 110) },
  ExternalFailures: failing('revoagent_external_duration_seconds_count', 'api="github"', '5xx', '2xx'),
  CacheTierFailing: failing('revoagent_cache_operation_duration_seconds_count', 'tier="redis"', 'timeout', 'ok'),
  CacheBusGaps: counter('revoagent_cache_gaps_total', 0.6, 0.4),
  CacheMissesHigh: { fires: cached('0+9x200'), quiet: cached('0+11x200'), resolves: cached('0+9x100 900+60x100') },
  DatabasePoolExhausted: gauge('revoagent_pool_waiting', 1, 0),
  QueriesSlow: {
    fires: queries(6),
    quiet: queries(5),
    resolves: { ...queries(6), 'revoagent_query_duration_seconds_bucket{le="0.5"}': '0+94x100 9400+100x100' },
  },
  RedisMemoryHigh: share(
    'redis_memory_used_bytes{job="redis-state"}',
    'redis_memory_max_bytes{job="redis-state"}',
    81,
    80,
  ),
  ExporterDown: gauge('up{job="node"}', 0, 1),
  DiskFillsUp: {
    fires: { ...DISK, [AVAILABLE]: '40000-50x200' },
    quiet: { ...DISK, [AVAILABLE]: '40000-30x200' },
    resolves: { ...DISK, [AVAILABLE]: '40000-50x100 35000x100' },
  },
  CertificateExpiresSoon: {
    fires: { 'revoagent_certificate_not_after_seconds{file="tls.crt"}': `${13 * 86_400}x200` },
    quiet: { 'revoagent_certificate_not_after_seconds{file="tls.crt"}': `${15 * 86_400}x200` },
    resolves: { 'revoagent_certificate_not_after_seconds{file="tls.crt"}': `${13 * 86_400}x100 ${90 * 86_400}x100` },
  },
  PostgresDown: gauge('pg_up', 0, 1),
  RedisDown: gauge('redis_up{job="redis-cache"}', 0, 1),
  BalancerDown: gauge('nginx_up', 0, 1),
  MachineCpuHigh: {
    fires: { 'node_cpu_seconds_total{mode="idle",instance="m"}': '0+11x200' },
    quiet: { 'node_cpu_seconds_total{mode="idle",instance="m"}': '0+12x200' },
    resolves: { 'node_cpu_seconds_total{mode="idle",instance="m"}': both(11, 30) },
  },
  MachineMemoryHigh: share('node_memory_MemAvailable_bytes', 'node_memory_MemTotal_bytes', 19, 20),
  DiskAlmostFull: share(
    'node_filesystem_avail_bytes{fstype="ext4",mountpoint="/"}',
    'node_filesystem_size_bytes{fstype="ext4",mountpoint="/"}',
    19,
    20,
  ),
};

describe('the alert rules', () => {
  it('each have a case here, a severity, a service, a summary and a page', () => {
    assert.deepEqual(Object.keys(CASES).toSorted(), alerts.map(({ alert }) => String(alert)).toSorted());
    for (const { alert = '', labels, annotations } of alerts) {
      assert.match(labels?.severity ?? '', /^(critical|warning|info)$/, alert);
      assert.ok(labels?.service !== undefined && annotations?.summary !== undefined, alert);
      assert.ok(existsSync(path.join(ROOT, annotations?.runbook ?? 'none')), `${alert}: ${annotations?.runbook}`);
      const page = readFileSync(path.join(ROOT, 'docs/runbooks/README.md'), 'utf8');
      assert.match(page, new RegExp(String.raw`\b${alert}\b`), 'the list of pages names it');
    }
  });

  it('ask only for metrics and labels that the hub or an exporter has', () => {
    for (const { expr, alert, record } of rules) {
      assert.deepEqual(unknownIn(expr), [], `${alert ?? record}: ${expr}`);
      assert.ok(namesIn(expr).length > 0 || expr.includes('revoagent:'), String(alert ?? record));
    }
  });

  describe('under promtool', () => {
    const suite = forTheSuite();
    let said: ReadonlyMap<string, string>;
    before(async () => {
      said = await judged(await temporaryFolder(suite));
    });
    for (const alert of Object.keys(CASES))
      it(`${alert} fires for its fault, is quiet just below it, and resolves`, () => {
        assert.equal(said.get(alert), 'SUCCESS');
      });
  });
});

/** What promtool says of each alert's file: one run for all, because a run reads and starts more than it reckons. */
async function judged(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = Object.fromEntries(Object.keys(CASES).map((alert) => [path.join(folder, `${alert}.json`), alert]));
  for (const [file, alert] of Object.entries(files)) await writeCase(folder, file, alert);
  // Into one file: what is well it tells on one stream, and what is not on the other.
  const output = path.join(folder, 'said.txt');
  const streams = openSync(output, 'a');
  spawnSync(requireTool('promtool'), ['test', 'rules', ...Object.keys(files)], { stdio: ['ignore', streams, streams] });
  closeSync(streams);
  const parts = readFileSync(output, 'utf8')
    .split(/^Unit Testing: {2}(.+)$/m)
    .slice(1);
  return new Map(
    parts.flatMap((file, at) => (at % 2 === 0 ? [[files[file] ?? file, parts[at + 1]?.trim() ?? 'nothing']] : [])),
  );
}

async function writeCase(folder: string, file: string, alert: string): Promise<void> {
  const { fires, quiet, resolves } = CASES[alert] ?? assert.fail(alert);
  const series = (given: Readonly<Record<string, string>>) =>
    Object.entries(given).map(([name, values]) => ({ series: name, values }));
  // Prometheus keeps what an alert says in its own words; here only whether it fires counts.
  const test = (given: Readonly<Record<string, string>>, counts: Readonly<Record<string, number>>) => ({
    interval: '1m',
    input_series: series(given),
    promql_expr_test: Object.entries(counts).map(([at, count]) => ({
      expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
      eval_time: at,
      exp_samples: [{ labels: '{}', value: count }],
    })),
  });
  // This one, and what it is made from: the others would be reckoned too.
  const alone = path.join(folder, `${alert}.rules.json`);
  const { expr } = alerts.find((rule) => rule.alert === alert) ?? assert.fail(`no rule ${alert}`);
  const needed = rules.filter(
    ({ alert: name, record }) => name === alert || (record !== undefined && expr.includes(record)),
  );
  await writeFile(alone, JSON.stringify({ groups: [{ name: 'alone', rules: needed }] }));
  const tests = [test(fires, { '95m': 1 }), test(quiet, { '95m': 0 }), test(resolves, { '95m': 1, '195m': 0 })];
  await writeFile(file, JSON.stringify({ rule_files: [alone], evaluation_interval: '1m', tests }));
}

describe('Alertmanager', () => {
  it('takes its configuration', () => {
    const file = path.join(ROOT, 'deploy/alertmanager/alertmanager.yml');
    const { status, stderr } = spawnSync(requireTool('amtool'), ['check-config', file], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
});
