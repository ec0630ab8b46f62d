/**
 * Where the governed lane's time goes: the hub runs under V8's sampling profiler at full load, and what the samples caught is
 * summed by room, package and part of the runtime. It says what to tune; how fast the hub is says the gateway benchmark, because
 * sampling itself costs some.
 */
import { mkdir, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../tests/helpers/free-port.ts';
import { createLab } from './lab.ts';
import type { Lab } from './lab.ts';
import { chatBody } from './load/chat.ts';
import { createLoads } from './load/loads.ts';
import type { BenchOptions } from './options.ts';
import { selfTimes } from './profile-times.ts';
import type { CpuProfile, SelfTime } from './profile-times.ts';
import type { BenchResult } from './result.ts';
import { startGovernedHub } from './servers/hub.ts';
import { startNginxUpstream } from './servers/nginx.ts';
import { startPostgres } from './servers/postgres.ts';
import type { Subject } from './servers/subject.ts';

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 5;
const FUNCTIONS_SHOWN = 20;
const SAMPLE_US = 500;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.rounds * options.seconds;
  await using lab = await createLab();
  const folder = lab.file('profile');
  await mkdir(folder);
  const upstreamPort = await freePort();
  await startNginxUpstream(lab, upstreamPort);
  const database = await startPostgres(lab);
  options.progress('starting the hub under the profiler');
  const profiler = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLE_US}`];
  const startedMs = performance.now();
  const hub = await startGovernedHub(lab, upstreamPort, database, { nodeArgs: profiler });
  const load = await loadHub(lab, hub, seconds, options);
  await hub.process?.stop();
  const times = selfTimes(await readProfile(folder, hub), {
    fromUs: (load.beganMs - startedMs) * 1_000,
    toUs: (load.endedMs - startedMs) * 1_000,
  });
  return resultOf(times, load.requests, seconds);
}

async function loadHub(
  lab: Lab,
  hub: Subject,
  seconds: number,
  { progress }: BenchOptions,
): Promise<{ beganMs: number; endedMs: number; requests: number }> {
  const loads = await createLoads(lab);
  const bodyFile = await loads.keepBody('chat.json', chatBody());
  progress(`load for ${WARM_UP_SECONDS} s and ${seconds} s`);
  await loads.closed(hub, { bodyFile, connections: CONNECTIONS, seconds: WARM_UP_SECONDS });
  const beganMs = performance.now();
  const { requestsPerSecond, errors } = await loads.closed(hub, { bodyFile, connections: CONNECTIONS, seconds });
  if (errors > 0) throw new Error(`${errors} requests failed: a profile of failures tells nothing.`);
  return { beganMs, endedMs: performance.now(), requests: requestsPerSecond * seconds };
}

/** The profiler writes one file a thread when the process ends; the main thread's name ends in `.0.<number>`. */
async function readProfile(folder: string, hub: Subject): Promise<CpuProfile> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.cpuprofile'));
  const main = files.find((file) => file.split('.').at(-3) === '0');
  if (main === undefined)
    throw new Error(`The hub left no profile of its main thread. ${(await hub.process?.logTail()) ?? ''}`);
  const profile: CpuProfile = JSON.parse(await readFile(path.join(folder, main), 'utf8'));
  return profile;
}

function resultOf(times: readonly SelfTime[], requests: number, seconds: number): BenchResult {
  const totalUs = times.reduce((sum, { us }) => sum + us, 0);
  const rows = (group: string, sums: Map<string, number>): BenchResult['rows'] =>
    [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .map(([label, us]) => ({
        label: `${group} · ${label}`,
        metrics: { percent: (us / totalUs) * 100, usPerRequest: us / requests },
      }));
  return {
    name: 'profile',
    rows: [
      ...rows(
        'self time of the main thread, by owner',
        sumBy(times, ({ owner }) => owner),
      ),
      ...rows(
        `the ${FUNCTIONS_SHOWN} functions with most of it`,
        sumBy(times, ({ place }) => place),
      ).slice(0, FUNCTIONS_SHOWN),
    ],
    notes: [
      `Governed lane at ${CONNECTIONS} connections for ${seconds} s, sampled every ${SAMPLE_US} µs; ${Math.round(requests / seconds)} requests/s under the profiler.`,
      'Self time counts for the function that ran, not for those it was called by. A built-in one (JSON.parse, the write of a socket) counts for the code that called it.',
    ],
  };
}

function sumBy(times: readonly SelfTime[], keyOf: (time: SelfTime) => string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const time of times) sums.set(keyOf(time), (sums.get(keyOf(time)) ?? 0) + time.us);
  return sums;
}
