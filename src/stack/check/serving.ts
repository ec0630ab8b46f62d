/** The rows that are judged by how the stack serves: health, performance, load balancer, monitoring. */
import type { Measured } from './normal-load.ts';
import { healthP95 } from './normal-load.ts';
import type { Row, Site } from './site.ts';
import { until } from './site.ts';

/** The mission's. */
export const HEALTH_MS = 50;
export const HUB_P95_MS = 100;
export const ERRORS_MAX = 0.001;
/** A hub may have so much less than its share of the requests. */
const SHARE_MIN = 0.5;
const SOCKETS_EACH = 5;
const SCRAPED_MS = 20_000;

export async function healthRow({ caller, hubs }: Site, measured: Measured): Promise<Row> {
  const p95 = healthP95(measured);
  const each = await Promise.all(
    hubs.map(async ({ name, url }) => ({ name, status: (await caller.ask(`${url}/health/ready`)).status })),
  );
  return {
    name: 'health',
    said: `p95 ${p95.toFixed(1)} ms of ${measured.probes.length} probes under load`,
    figures: { p95Ms: p95, probes: measured.probes.length, failed: measured.probeFailures.length },
    problems: [
      ...measured.probeFailures.slice(0, 3),
      ...each.filter(({ status }) => status !== 200).map(({ name, status }) => `${name} answers ${status}`),
      ...(p95 < HEALTH_MS ? [] : [`p95 is not below ${HEALTH_MS} ms`]),
    ],
  };
}

export function performanceRow({ hubP95Ms, outcomes, failed, seconds }: Measured): Row {
  const errors = failed.length / Math.max(1, outcomes.length);
  const perSecond = outcomes.length / seconds;
  return {
    name: 'performance',
    said: `hub p95 ${hubP95Ms.toFixed(1)} ms, ${failed.length} of ${outcomes.length} failed, ${perSecond.toFixed(0)} requests/s`,
    figures: { hubP95Ms, requests: outcomes.length, failed: failed.length, perSecond },
    problems: [
      ...(hubP95Ms < HUB_P95_MS ? [] : [`the hub's own p95 is not below ${HUB_P95_MS} ms`]),
      ...(outcomes.length > 0 && errors < ERRORS_MAX ? [] : ['too many requests failed']),
      ...failed.slice(0, 3).map(({ kind, failure }) => `${kind}: ${failure}`),
    ],
  };
}

export async function balancerRow({ caller, url, hubs }: Site, measured: Measured): Promise<Row> {
  const total = measured.hubs.reduce((sum, { requests }) => sum + requests, 0);
  const shares = measured.hubs.map(({ name, requests }) => ({ name, share: total === 0 ? 0 : requests / total }));
  const problems = shares
    .filter(({ share }) => share < SHARE_MIN / hubs.length)
    .map(({ name, share }) => `${name} had ${(share * 100).toFixed(0)} % of the requests`);
  const named = await caller.ask(`${url}/api/models`, { headers: { 'x-request-id': 'check-1' } });
  if (named.headers['x-request-id'] !== 'check-1') problems.push('a request lost its id');
  const hidden = await caller.ask(`${url}/metrics`);
  if (hidden.status !== 404 || codeIn(hidden.body) !== 'not_found') problems.push(`/metrics answers ${hidden.status}`);
  let home = 0;
  for (const { name } of hubs)
    for (let at = 0; at < SOCKETS_EACH; at++) {
      const headers = await caller.openSocket(`${url}/ws/chat`, { cookie: `revoagent_route=${name}` });
      if (headers['set-cookie']?.some((cookie) => cookie.startsWith(`revoagent_route=${name};`)) === true) home++;
    }
  const sockets = hubs.length * SOCKETS_EACH;
  if (home < sockets) problems.push(`${sockets - home} of ${sockets} sockets did not come back to their hub`);
  const least = Math.min(...shares.map(({ share }) => share));
  return {
    name: 'load balancer',
    said: `${hubs.length} hubs, the least busy had ${(least * 100).toFixed(0)} %; ${home} of ${sockets} sockets came home; /metrics is not served`,
    figures: { hubs: hubs.length, leastShare: least, sockets, home },
    problems,
  };
}

export async function monitoringRow(site: Site, served: number): Promise<Row> {
  const name = 'monitoring';
  const { prometheus, caller, clock, hubs } = site;
  if (prometheus === null) return { name, said: 'none', figures: {}, problems: ['the stack runs without monitoring'] };
  const ask = async (path: string): Promise<unknown> => JSON.parse((await caller.ask(prometheus + path)).body);
  const targetsOf = async (): Promise<Listed['activeTargets']> =>
    ((await ask('/api/v1/targets?state=active')) as { data: Listed }).data.activeTargets;
  const isUp = async (): Promise<boolean> => {
    const targets = await targetsOf();
    return (
      targets.filter(({ labels }) => labels.job === 'hub').length >= hubs.length &&
      targets.every(({ health }) => health === 'up')
    );
  };
  const problems: string[] = [];
  if (!(await until(clock, SCRAPED_MS, isUp)))
    for (const { labels, health } of (await targetsOf()).filter((target) => target.health !== 'up'))
      problems.push(`${labels.job} ${labels.instance} is ${health}`);
  const counted = 'sum(http_server_request_duration_seconds_count{job="hub",http_route!~"/health.*|/metrics"})';
  let seen = 0;
  const catchesUp = async (): Promise<boolean> => {
    const [first] = ((await ask(`/api/v1/query?query=${encodeURIComponent(counted)}`)) as { data: Queried }).data
      .result;
    seen = Number(first?.value[1] ?? 0);
    return seen >= served;
  };
  if (!(await until(clock, SCRAPED_MS, catchesUp)))
    problems.push(`Prometheus has seen ${seen} requests, and the hubs have served ${served}`);
  const rules = ((await ask('/api/v1/rules')) as { data: Ruled }).data.groups.flatMap((group) => group.rules);
  if (rules.length === 0) problems.push('there are no rules');
  problems.push(...rules.filter(({ health }) => health === 'err').map((rule) => `the rule ${rule.name} is broken`));
  const managers = ((await ask('/api/v1/alertmanagers')) as { data: Managed }).data.activeAlertmanagers.length;
  const ready = site.alertmanager === null ? 0 : (await caller.ask(`${site.alertmanager}/-/ready`)).status;
  if (managers === 0 || ready !== 200) problems.push('no Alertmanager would hear of an alert');
  const targets = (await targetsOf()).length;
  return {
    name,
    said: `${targets} targets up, ${rules.length} rules, ${seen} requests seen, Alertmanager ready`,
    figures: { targets, rules: rules.length, requestsSeen: seen },
    problems,
  };
}

interface Listed {
  readonly activeTargets: readonly {
    readonly labels: { readonly job: string; readonly instance: string };
    readonly health: string;
  }[];
}
interface Queried {
  readonly result: readonly { readonly value: readonly [number, string] }[];
}
interface Ruled {
  readonly groups: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[];
}
interface Managed {
  readonly activeAlertmanagers: readonly unknown[];
}

function codeIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { code?: unknown }).code;
  } catch {
    // No JSON has no code.
    return undefined;
  }
}
