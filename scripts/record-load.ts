/**
 * `npm run record:load -- ramp`: brings a local stack of two hubs up, sends it a load that changes as the curve says, whether or not
 * earlier requests were answered, and writes down every 15 s what the hubs did and what it cost them. The files are checked in:
 * docs/images/autoscaling.svg is drawn from them. At real time and moderate, so that it can run beside other work.
 */
import { writeFileSync } from 'node:fs';
import { systemClock } from '#core/clock';
import { chat, uniqueQuestion } from '#stack/check/site';
import type { Site } from '#stack/check/site';
import { loadOf } from '#stack/figures';
import type { HubLoad } from '#stack/figures';
import { startOwnStack } from '#stack/index';
import { machineFacts } from '../bench/machine.ts';
import type { LoadSample, RecordedLoad } from './deploy/recorded-load.ts';

/** As often as Kubernetes' controller looks. */
const EVERY_S = 15;
const TICK_MS = 5;
const ANSWER_MS = 5_000;
/** Every third chat is a stream. */
const STREAM_EVERY = 3;

/** Requests a second from here to there, in a straight line. */
interface Piece {
  readonly seconds: number;
  readonly from: number;
  readonly to: number;
}

const burst: readonly Piece[] = [
  { seconds: 60, from: 1, to: 1 },
  { seconds: 30, from: 60, to: 60 },
];

const curves: Readonly<Record<string, readonly Piece[]>> = {
  /** A morning in a quarter of an hour: it fills, a wave comes on top, it empties and stays quiet. */
  ramp: [
    { seconds: 60, from: 1, to: 1 },
    { seconds: 180, from: 1, to: 20 },
    { seconds: 60, from: 20, to: 20 },
    { seconds: 30, from: 100, to: 100 },
    { seconds: 90, from: 25, to: 10 },
    { seconds: 90, from: 10, to: 1 },
    { seconds: 570, from: 1, to: 1 },
  ],
  /** Three short ones on a quiet load. */
  bursts: [...burst, ...burst, ...burst, { seconds: 120, from: 1, to: 1 }],
};

/** Requests that are due after so many seconds: the area under the curve. */
function dueAfter(pieces: readonly Piece[], seconds: number): number {
  let left = seconds;
  let due = 0;
  for (const { seconds: length, from, to } of pieces) {
    const within = Math.max(0, Math.min(left, length));
    due += within * (from + ((to - from) * within) / length / 2);
    left -= length;
  }
  return due;
}

/** Resolves with the number of requests that failed, when the curve is over and all were answered. */
async function send(site: Site, pieces: readonly Piece[]): Promise<number> {
  const length = sum(pieces.map(({ seconds }) => seconds));
  const begun = systemClock.now();
  const open = new Set<Promise<void>>();
  let failed = 0;
  for (let sent = 0; ; await systemClock.sleep(TICK_MS)) {
    const seconds = (systemClock.now() - begun) / 1_000;
    for (const due = dueAfter(pieces, seconds); sent < due; sent++) {
      const one = chat(site, site.url, uniqueQuestion(), { stream: sent % STREAM_EVERY === 0 })
        .then(({ status }) => status === 200)
        .catch(() => false)
        .then((good) => {
          if (!good) failed++;
          open.delete(one);
        });
      open.add(one);
    }
    if (seconds > length) break;
  }
  await Promise.all(open);
  return failed;
}

/** Of all hubs together, since their start. */
async function totals({ hubs }: Site): Promise<{ at: number; loads: readonly HubLoad[] }> {
  const late = AbortSignal.timeout(ANSWER_MS);
  return { at: systemClock.now(), loads: await Promise.all(hubs.map(({ socket }) => loadOf(socket, late))) };
}

/** Writes down until it is told to end; what is begun then is left out. */
async function watch(site: Site, ended: AbortSignal): Promise<LoadSample[]> {
  const samples: LoadSample[] = [];
  const begun = systemClock.now();
  let before = await totals(site);
  for (;;) {
    await systemClock.sleep(begun + (samples.length + 1) * EVERY_S * 1_000 - systemClock.now());
    if (ended.aborted) return samples;
    const now = await totals(site);
    const seconds = (now.at - before.at) / 1_000;
    const grown = (figure: (load: HubLoad) => number): number =>
      sum(now.loads.map(figure)) - sum(before.loads.map(figure));
    samples.push({
      seconds: Math.round((now.at - begun) / 1_000),
      requestsPerMinute: Math.round((grown(({ requests }) => requests) / seconds) * 60),
      cores: Number((grown(({ cpuSeconds }) => cpuSeconds) / seconds).toFixed(4)),
      memoryMb: Math.round(sum(now.loads.map(({ memoryBytes }) => memoryBytes)) / now.loads.length / 1e6),
    });
    before = now;
    console.log(JSON.stringify(samples.at(-1)));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function main(): Promise<void> {
  const [name = ''] = process.argv.slice(2);
  const pieces = curves[name];
  if (pieces === undefined) throw new Error(`Name a curve: ${Object.keys(curves).join(', ')}`);
  const machine = machineFacts();
  const own = await startOwnStack(systemClock, () => undefined, { hubs: 2 });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void own.close().finally(() => process.exit(1)));
  try {
    const ending = new AbortController();
    const watching = watch(own.site, ending.signal);
    const failed = await send(own.site, pieces);
    ending.abort(new Error('the curve is over'));
    const samples = await watching;
    const recorded: RecordedLoad = {
      curve: name,
      recordedOn: new Date().toISOString().slice(0, 10),
      command: `npm run record:load -- ${name}`,
      machine,
      hubs: own.site.hubs.length,
      everySeconds: EVERY_S,
      failed,
      samples,
    };
    writeFileSync(new URL(`deploy/loads/${name}.json`, import.meta.url), `${JSON.stringify(recorded, null, 2)}\n`);
    console.log(`${samples.length} samples, ${failed} failed requests`);
  } finally {
    await own.close();
  }
}

await main();
