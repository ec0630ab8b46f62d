/** The alert rules against a real promtool: each fires for its fault, does not fire just below it, and resolves; each has its page. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { temporaryFolder } from '../helpers/hub-process.ts';
import { namesIn, unknownIn } from '../helpers/promql.ts';
import { requireTool } from '../helpers/tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RULES = path.join(ROOT, 'deploy/prometheus/rules/hub.yml');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string; readonly service?: string };
  readonly annotations?: { readonly summary?: string; readonly runbook?: string };
}

const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
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

const CASES: Readonly<Record<string, Case>> = {
  HubDown: gauge('up{job="hub",instance="hub-1"}', 0, 1),
  HubInstanceDown: gauge('up{job="hub",instance="hub-1"}', 0, 1),
  ErrorRateHigh: errors(51, 50),
  BreakerOpen: gauge('revoagent_breaker_state{breaker="provider:one"}', 1, 2),
  LatencyHigh: {
    fires: hubTime(1, 6),
    quiet: hubTime(1, 5),
    resolves: {
      ...hubTime(1, 6, '100'),
      'revoagent_hub_time_seconds_bucket{http_route="/api/chat",le="1"}': '0+94x100 9400+100x100',
    },
  },
  LatencyVeryHigh: {
    fires: hubTime(2, 6),
    quiet: hubTime(2, 5),
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

  for (const [alert, { fires, quiet, resolves }] of Object.entries(CASES))
    it(`${alert} fires for its fault, is quiet just below it, and resolves`, async (t) => {
      const folder = await temporaryFolder(t);
      const series = (given: Readonly<Record<string, string>>) =>
        Object.entries(given).map(([name, values]) => ({ series: name, values }));
      // Prometheus keeps what an alert says in its own words; here only whether it fires counts.
      const test = (given: Readonly<Record<string, string>>, at: string, count: number) => ({
        interval: '1m',
        input_series: series(given),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
            eval_time: at,
            exp_samples: [{ labels: '{}', value: count }],
          },
        ],
      });
      const file = path.join(folder, 'test.json');
      // This one, and what it is made from: the others would be reckoned too.
      const alone = path.join(folder, 'rules.json');
      const needed = rules.filter((rule) => rule.alert === alert || rule.record !== undefined);
      await writeFile(alone, JSON.stringify({ groups: [{ name: 'alone', rules: needed }] }));
      const tests = [test(fires, '95m', 1), test(quiet, '95m', 0), test(resolves, '95m', 1), test(resolves, '195m', 0)];
      await writeFile(file, JSON.stringify({ rule_files: [alone], evaluation_interval: '1m', tests }));
      const { status, stdout, stderr } = spawnSync(requireTool('promtool'), ['test', 'rules', file], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stdout + stderr);
    });
});

describe('Alertmanager', () => {
  it('takes its configuration', () => {
    const file = path.join(ROOT, 'deploy/alertmanager/alertmanager.yml');
    const { status, stderr } = spawnSync(requireTool('amtool'), ['check-config', file], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
});
