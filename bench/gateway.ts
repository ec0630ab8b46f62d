/**
 * Chat completions through the hub, beside nginx as the limit for any proxy, a bare relay as the limit of the platform, and
 * Portkey as the peer. Owns the order of the measures and what is promised of them; each measure stands in `measures/`.
 */
import { readFile } from 'node:fs/promises';
import { createLab } from './lab.ts';
import { MEMORY, measureMemory } from './measures/memory.ts';
import { LATENCY, MAXIMUM, latencyRows, maximumRows, measureSpeed } from './measures/speed.ts';
import { measureService } from './measures/service.ts';
import { SUSTAINED, UPSTREAM_DELAY_MS, measureSustained } from './measures/sustained.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { recordsLost } from './servers/hub.ts';
import { createSite } from './site.ts';
import type { Site } from './site.ts';

type Row = BenchResult['rows'][number];

export async function run(options: BenchOptions): Promise<BenchResult> {
  await using lab = await createLab();
  options.progress('starting upstream, nginx, bare relay, hub (both lanes), PostgreSQL, Portkey');
  const site = await createSite(lab);
  const memory = await measureMemory(site, options);
  const speed = await measureSpeed(site, options);
  await site.delayUpstream(UPSTREAM_DELAY_MS);
  const sustained = await measureSustained(site, speed, options);
  const service = await measureService(site, options);
  const rows = [...maximumRows(site, speed), ...latencyRows(site, speed), ...sustained, ...memory];
  return {
    name: 'gateway',
    rows: [...targetRows(rows, site), await lostRow(site), ...service, ...rows],
    notes: await notesOf(site, options),
  };
}

/** What the project promises, judged on the governed lane. Later goals stand beside the bound that counts now. */
function targetRows(rows: readonly Row[], { governed }: Site): Row[] {
  function measured(group: string, metric: string): number {
    return rows.find(({ label }) => label.startsWith(`${group} · ${governed.name}`))?.metrics[metric] ?? NaN;
  }
  const failed = measured(MAXIMUM, 'failed') + measured(LATENCY, 'failed');
  return [
    judge('max requests/s / bare relay', measured(MAXIMUM, 'ofBareRelay'), '≥', 0.5, ', then 0.60, then 0.75'),
    judge('max requests/s / Portkey', measured(MAXIMUM, 'ofPortkey'), '≥', 6),
    judge('p50 at 1 connection / bare relay', measured(LATENCY, 'p50OfBareRelay'), '≤', 1.7, ', then 1.4'),
    judge('p99 at 1 connection / bare relay', measured(LATENCY, 'p99OfBareRelay'), '≤', 1.5, ', then 1.2'),
    judge('sustained requests/s / bare relay', measured(SUSTAINED, 'ofBareRelay'), '≥', 0.6),
    judge('RSS idle, MB', measured(MEMORY, 'idleMb'), '≤', 200),
    judge('failed requests in the closed loops', failed, '≤', 0),
  ];
}

async function lostRow({ governed }: Site): Promise<Row> {
  return judge('run records lost', await recordsLost(governed), '≤', 0);
}

function judge(what: string, value: number, sign: '≥' | '≤', bound: number, goal = ''): Row {
  return {
    label: `targets, governed lane · ${what}`,
    metrics: { measured: value },
    target: `${sign} ${bound}${goal}`,
    met: sign === '≥' ? value >= bound : value <= bound,
  };
}

async function notesOf({ lab, loads }: Site, { rounds, seconds }: BenchOptions): Promise<string[]> {
  return [
    `${rounds} rounds of ${seconds} s a server and measure, servers taking turns. Ratios are medians of the ratios within a round.`,
    `Closed loops by ${loads.closedLoopTool}; ${await version('@portkey-ai/gateway')}, ${await version('undici')}.`,
    lab.pinned
      ? 'Each server on one core; load generator, upstream and database on the others.'
      : 'Nothing is pinned to cores here (one core, or no taskset): servers and load disturbed each other.',
    'Added latency is the percentile through the server less the percentile of the upstream asked directly.',
  ];
}

async function version(name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  const manifest: { version: string } = JSON.parse(await readFile(file, 'utf8'));
  return `${name} ${manifest.version}`;
}
