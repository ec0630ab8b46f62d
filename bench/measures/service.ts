/**
 * What an operator is promised of one instance: how soon it answers after its start, how it serves a normal load, how fast it says
 * that it is well meanwhile, and how much memory it takes. Absolute figures, for the machine named beside them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from '../options.ts';
import type { BenchResult } from '../result.ts';
import { startPlainHub } from '../servers/hub.ts';
import type { Subject } from '../servers/subject.ts';
import type { Site } from '../site.ts';
import { median, percentile } from '../statistics.ts';
import { residentMb } from './memory.ts';
import { UPSTREAM_DELAY_MS } from './sustained.ts';

const SERVICE = 'targets, one instance';
const START_MS_MAX = 10_000;
const CHAT_P95_MS_MAX = 100;
const HEALTH_P95_MS_MAX = 50;
const RSS_MB_MAX = 2_048;
const NORMAL_PER_SECOND = 200;
const STARTS = 3;
/** A probe asks rarely; this many milliseconds between two rounds give enough figures and little load. */
const PAUSE_MS = 10;
const HEALTH_PATHS = ['/health/live', '/health/ready', '/health'];

/** The upstream is the slow one by now. */
export async function measureService(site: Site, options: BenchOptions): Promise<BenchResult['rows']> {
  const rows = [
    row('start with a new embedded database to the first chat, ms', await startMs(site, options), START_MS_MAX),
  ];
  for (const subject of [site.plain, site.governed]) {
    options.progress(`normal load: ${subject.name}`);
    const { bodyFile, loads } = site;
    const rate = { requestsPerSecond: NORMAL_PER_SECOND, seconds: options.seconds, warmUpSeconds: 1 };
    const load = loads.open(subject, { bodyFile, ...rate });
    const [health, chat] = await Promise.all([healthWhile(subject, load), load]);
    if (chat.errors > 0) throw new Error(`${subject.name} failed ${chat.errors} chats of a normal load.`);
    const at = `${NORMAL_PER_SECOND} requests/s, upstream ${UPSTREAM_DELAY_MS} ms`;
    rows.push(row(`${subject.name}: chat p95 at ${at}, ms`, chat.p95Ms, CHAT_P95_MS_MAX));
    for (const [path, latencies] of health)
      rows.push(row(`${subject.name}: ${path} p95 meanwhile, ms`, percentile(latencies, 0.95), HEALTH_P95_MS_MAX));
    rows.push(row(`${subject.name}: RSS after all loads, MB`, await residentMb(subject), RSS_MB_MAX));
  }
  return rows;
}

async function startMs({ lab, upstreamPort }: Site, options: BenchOptions): Promise<number> {
  const seen: number[] = [];
  for (let start = 1; start <= (options.quick ? 1 : STARTS); start++) {
    options.progress(`start ${start}`);
    const beganMs = performance.now();
    const hub = await startPlainHub(lab, upstreamPort, `hub-start-${start}`);
    seen.push(performance.now() - beganMs);
    await hub.process?.stop();
  }
  return median(seen);
}

async function healthWhile(subject: Subject, load: Promise<unknown>): Promise<Map<string, number[]>> {
  const { origin } = new URL(subject.url);
  const latencies = new Map(HEALTH_PATHS.map((path): [string, number[]] => [path, []]));
  const ended = load.then(() => true);
  do
    for (const [path, seen] of latencies) {
      const askedMs = performance.now();
      const response = await fetch(origin + path, { headers: subject.headers });
      await response.text();
      if (response.status !== 200) throw new Error(`${subject.name} answered ${response.status} at ${path}.`);
      seen.push(performance.now() - askedMs);
    }
  while (!(await Promise.race([ended, sleep(PAUSE_MS, false)])));
  return latencies;
}

function row(what: string, value: number, below: number): BenchResult['rows'][number] {
  return { label: `${SERVICE} · ${what}`, metrics: { measured: value }, target: `< ${below}`, met: value < below };
}
