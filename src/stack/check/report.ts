/** Runs the eight rows one after the other, and judges the targets by what was measured in this run and nothing else. */
import { messageOf } from '#core/errors';
import { breakerRow, cachingRow, rateLimitRow, resilienceRow } from './faults.ts';
import { NORMAL_PER_SECOND } from './load.ts';
import type { Measured } from './normal-load.ts';
import { healthP95, measureNormalLoad } from './normal-load.ts';
import { balancerRow, ERRORS_MAX, HEALTH_MS, healthRow, HUB_P95_MS, monitoringRow, performanceRow } from './serving.ts';
import type { Row, Site, Target } from './site.ts';
import { isMet } from './site.ts';

const START_S = 40;
const MEMORY_MB = 2_048;
const CPU_PERCENT = 70;
const UPTIME_PERCENT = 99.9;
const UPTIME_EVERY_MS = 100;

export interface CheckOptions {
  /** Of the normal load. */
  readonly seconds: number;
  /** Milliseconds that the stack took to start; null where it ran before: then a hub that is killed and starts again tells it. */
  readonly startMs: number | null;
  readonly onRow: (row: Row) => void;
}

export type CheckTarget = Target & { readonly passed: boolean };

export interface CheckReport {
  readonly passed: boolean;
  readonly normalLoad: string;
  readonly rows: readonly Row[];
  readonly targets: readonly CheckTarget[];
}

export async function checkSite(site: Site, { seconds, startMs, onRow }: CheckOptions): Promise<CheckReport> {
  const rows: Row[] = [];
  const run = async (name: string, act: () => Promise<Row> | Row): Promise<void> => {
    let row: Row;
    try {
      row = await act();
    } catch (error) {
      row = { name, said: 'could not be carried out', figures: {}, problems: [messageOf(error)] };
    }
    rows.push(row);
    onRow(row);
  };
  const uptime = watchUptime(site);
  let startedMs = startMs ?? Infinity;
  let measured: Measured | null = null;
  try {
    const load = await measureNormalLoad(site, seconds);
    measured = load;
    const served = load.hubs.reduce((sum, { requests }) => sum + requests, 0);
    await run('health', () => healthRow(site, load));
    await run('performance', () => performanceRow(load));
    await run('load balancer', () => balancerRow(site, load));
    await run('monitoring', () => monitoringRow(site, served));
  } catch (error) {
    for (const name of ['health', 'performance', 'load balancer', 'monitoring'])
      await run(name, () => Promise.reject(error instanceof Error ? error : new Error(String(error))));
  }
  await run('caching', () => cachingRow(site));
  await run('rate limiting', () => rateLimitRow(site));
  await run('circuit breaker', () => breakerRow(site));
  await run('resilience', async () => {
    const { row, startMs: hubMs } = await resilienceRow(site);
    if (startMs === null) startedMs = hubMs;
    return row;
  });
  const targets = targetsOf(measured, startedMs, await uptime.stop()).map((target) => ({
    ...target,
    passed: isMet(target),
  }));
  return {
    passed: rows.every(({ problems }) => problems.length === 0) && targets.every(({ passed }) => passed),
    normalLoad: `${NORMAL_PER_SECOND} requests a second in all for ${seconds} s: 6 of 10 chats, 2 streams, 2 reads`,
    rows,
    targets,
  };
}

function targetsOf(measured: Measured | null, startMs: number, uptimePercent: number): Target[] {
  const most = (of: (hub: Measured['hubs'][number]) => number): number =>
    measured === null ? NaN : Math.max(...measured.hubs.map(of));
  const errors = measured === null ? NaN : (measured.failed.length / Math.max(1, measured.outcomes.length)) * 100;
  return [
    { name: 'start', value: startMs / 1000, unit: 's', below: START_S },
    { name: 'health p95', value: measured === null ? NaN : healthP95(measured), unit: 'ms', below: HEALTH_MS },
    { name: 'hub p95', value: measured?.hubP95Ms ?? NaN, unit: 'ms', below: HUB_P95_MS },
    { name: 'errors', value: errors, unit: '%', below: ERRORS_MAX * 100 },
    {
      name: 'memory, largest hub',
      value: most(({ memoryBytes }) => memoryBytes / 1024 ** 2),
      unit: 'MB',
      below: MEMORY_MB,
    },
    { name: 'CPU, busiest hub', value: most(({ cpu }) => cpu * 100), unit: '% of a core', below: CPU_PERCENT },
    { name: 'uptime of this run', value: uptimePercent, unit: '%', atLeast: UPTIME_PERCENT },
  ];
}

/** Asks the balancer for readiness all the time; the share that was answered well, in percent. */
function watchUptime({ clock, caller, url }: Site): { stop(): Promise<number> } {
  let [asked, well, stopped] = [0, 0, false];
  const open = new Set<Promise<void>>();
  const tick = (): void => {
    if (stopped) return;
    asked++;
    const one = caller
      .ask(`${url}/health/ready`)
      .then(({ status }) => void (well += status === 200 ? 1 : 0))
      .catch(() => undefined)
      .finally(() => open.delete(one));
    open.add(one);
    clock.schedule(UPTIME_EVERY_MS, tick, true);
  };
  tick();
  return {
    async stop() {
      stopped = true;
      await Promise.all(open);
      return (well / asked) * 100;
    },
  };
}
