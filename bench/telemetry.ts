/**
 * What it costs to be seen: the governed lane with traces, a tenth of them sampled, beside the same without; and a scrape of a hub with
 * ten thousand breakers.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../tests/helpers/free-port.ts';
import { createLab, untilQuiet } from './lab.ts';
import type { Lab } from './lab.ts';
import { chatBody } from './load/chat.ts';
import { createLoads } from './load/loads.ts';
import { cpuMsOf } from './measures/cpu-time.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { startGovernedHub } from './servers/hub.ts';
import { startNginxUpstream } from './servers/nginx.ts';
import { startPostgres } from './servers/postgres.ts';
import type { Subject } from './servers/subject.ts';
import { median, medianRatio } from './statistics.ts';

const SCRAPE = fileURLToPath(new URL('subjects/scrape.ts', import.meta.url));
const COLLECTOR = fileURLToPath(new URL('subjects/collector.ts', import.meta.url));
const RATIO = 0.1;
const CONNECTIONS = 64;
const WARM_UP_SECONDS = 15;
const BREAKERS = 10_000;
const SCRAPE_MS_MAX = 10;
/** Of the throughput without. */
const THROUGHPUT_MIN = 0.95;

type Row = BenchResult['rows'][number];

interface Rounds {
  readonly perSecond: number[];
  readonly cpuUs: number[];
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const scrapes = await scrapeRows(options);
  await using lab = await createLab();
  const [off, on] = await startLanes(lab, options);
  const seen = await measure(lab, [off, on], options);
  const [without, traced] = [seen.get(off), seen.get(on)];
  if (without === undefined || traced === undefined) throw new Error('A lane was not measured.');
  const share = medianRatio(traced.perSecond, without.perSecond);
  return {
    name: 'telemetry',
    rows: [
      {
        label: `targets · requests/s with traces at ${RATIO * 100} % / without`,
        metrics: { measured: share },
        target: `≥ ${THROUGHPUT_MIN}`,
        met: share >= THROUGHPUT_MIN,
      },
      ...scrapes,
      ...[...seen].map(([{ name }, { perSecond, cpuUs }]) => ({
        label: `governed lane at ${CONNECTIONS} connections · ${name}`,
        metrics: {
          requestsPerSecond: median(perSecond),
          cpuUsPerRequest: median(cpuUs),
          ofCpuWithoutTraces: medianRatio(cpuUs, without.cpuUs),
        },
      })),
    ],
    notes: [
      `${options.rounds} rounds of ${options.seconds} s a lane, lanes taking turns; ratios are medians of the ratios within a round.`,
      'Spans go to a collector on this machine that takes and forgets them. CPU time is that of the hub process (Linux only).',
    ],
  };
}

async function startLanes(lab: Lab, { progress }: BenchOptions): Promise<[off: Subject, on: Subject]> {
  progress('starting upstream, PostgreSQL, a collector, the governed lane without and with traces');
  const [upstreamPort, collectorPort] = [await freePort(), await freePort()];
  await startNginxUpstream(lab, upstreamPort);
  await lab.start({
    name: 'collector',
    file: process.execPath,
    args: [COLLECTOR, String(collectorPort)],
    side: 'load',
  });
  const database = await startPostgres(lab);
  const traces = { endpoint: `http://127.0.0.1:${collectorPort}/v1/traces`, ratio: RATIO };
  const off = await startGovernedHub(lab, upstreamPort, database, { name: 'hub, traces off' });
  const on = await startGovernedHub(lab, upstreamPort, database, {
    name: `hub, traces at ${RATIO * 100} %`,
    more: { telemetry: { traces } },
  });
  return [off, on];
}

async function measure(
  lab: Lab,
  lanes: readonly Subject[],
  { rounds, seconds, quick, progress }: BenchOptions,
): Promise<Map<Subject, Rounds>> {
  const loads = await createLoads(lab);
  const bodyFile = await loads.keepBody('chat.json', chatBody());
  const seen = new Map(lanes.map((lane): [Subject, Rounds] => [lane, { perSecond: [], cpuUs: [] }]));
  for (const lane of lanes)
    await loads.closed(lane, { bodyFile, connections: CONNECTIONS, seconds: quick ? seconds : WARM_UP_SECONDS });
  for (let round = 1; round <= rounds; round++)
    for (const [lane, { perSecond, cpuUs }] of seen) {
      if (!quick) await untilQuiet();
      const before = await cpuMsOf(lane);
      const { requestsPerSecond, errors } = await loads.closed(lane, { bodyFile, connections: CONNECTIONS, seconds });
      if (errors > 0) throw new Error(`${lane.name} failed ${errors} requests.`);
      perSecond.push(requestsPerSecond);
      cpuUs.push((((await cpuMsOf(lane)) - before) * 1_000) / (requestsPerSecond * seconds));
      progress(
        `round ${round}/${rounds}: ${lane.name}: ${Math.round(requestsPerSecond)} requests/s, ${cpuUs.at(-1)?.toFixed(0)} µs of CPU each`,
      );
    }
  return seen;
}

/** All well; one in a hundred not; and all of them not, of which so many are named as `limits.breakerSeriesMax`. */
async function scrapeRows({ rounds, progress }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const notClosed of [0, BREAKERS / 100, BREAKERS]) {
    const seen: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const { stdout } = await promisify(execFile)(process.execPath, [SCRAPE, String(BREAKERS), String(notClosed)]);
      const { medianMs }: { medianMs: number } = JSON.parse(stdout);
      seen.push(medianMs);
    }
    const measured = median(seen);
    progress(`a scrape at ${BREAKERS} breakers, ${notClosed} not closed: ${measured.toFixed(2)} ms`);
    rows.push({
      label: `targets · a scrape at ${BREAKERS} breakers, ${notClosed} of them not closed, ms`,
      metrics: { measured },
      target: `< ${SCRAPE_MS_MAX}`,
      met: measured < SCRAPE_MS_MAX,
    });
  }
  return rows;
}
