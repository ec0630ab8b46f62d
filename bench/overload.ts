/**
 * Twice and three times as many requests as the hub can answer, for a while (`--seconds 60` for the figure that is kept): how much of its best it
 * still delivers, how long those wait that it lets in, whether its health still answers, and whether its memory comes back. The
 * hub in its governed lane, with the load shedding it ships with: behind the balancer it ships with, as it stands in production; and by
 * itself. It has half a core, which is what a pod of it asks for: so the balancer and the load have enough of the others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLab, untilQuiet } from './lab.ts';
import type { Loads } from './load/loads.ts';
import type { OpenLoopResult } from './load/open-loop.ts';
import { residentMb } from './measures/memory.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { createScene } from './scene.ts';
import { startBalancer } from './servers/nginx.ts';
import type { Subject } from './servers/subject.ts';
import { median } from './statistics.ts';

/** The targets are judged at the most. */
const TIMES = [2, 3];
/** As many as it takes to find the peak of a server that shares its core. */
const CONNECTIONS = 256;
/** Wants all of a core, always. */
const TAKER = 'for (;;);';
const HEALTH_EVERY_MS = 50;
/** Memory has come back when it is at most so much over what the peak took. */
const MEMORY_BACK = 1.25;
const REST_MS = 15_000;

/** At so many times the peak. */
interface Round {
  readonly subject: string;
  readonly times: number;
  readonly peak: number;
  readonly overload: OpenLoopResult;
  readonly healthMs: readonly number[];
  readonly memoryMb: { readonly peak: number; readonly overload: number; readonly after: number };
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  await using lab = await createLab();
  options.progress('starting upstream, PostgreSQL, hub, balancer');
  const { governed, bodyFile, loads } = await createScene(lab);
  await lab.start({ name: 'taker', file: process.execPath, args: ['--eval', TAKER], side: 'measured' });
  const subjects: readonly [Subject, Subject] = [await startBalancer(lab, governed), governed];
  for (const subject of subjects) await loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds: 1 });
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const subject of subjects) {
      for (const times of TIMES) {
        rounds.push(await oneRound(subject, bodyFile, loads, times, options));
        options.progress(`round ${round}/${options.rounds}: ${describeRound(rounds.at(-1))}`);
      }
    }
  }
  return { name: 'overload', rows: rowsOf(rounds, subjects), notes: notesOf(options) };
}

async function oneRound(
  hub: Subject,
  bodyFile: string,
  loads: Loads,
  times: number,
  { seconds, quick }: BenchOptions,
): Promise<Round> {
  if (!quick) await untilQuiet();
  const { requestsPerSecond: peak } = await loads.closed(hub, {
    bodyFile,
    connections: CONNECTIONS,
    seconds: Math.min(seconds, 10),
  });
  const atPeak = await residentMb(hub);
  const watch = watchHealth(hub);
  const overload = await loads.open(hub, { bodyFile, requestsPerSecond: times * peak, seconds, warmUpSeconds: 2 });
  const healthMs = await watch.stop();
  const atOverload = await residentMb(hub);
  if (!quick) await sleep(REST_MS);
  const memoryMb = { peak: atPeak, overload: atOverload, after: await residentMb(hub) };
  return { subject: hub.name, times, peak, overload, healthMs, memoryMb };
}

/** Asks whether it lives, over and over; one that does not answer within 10 s counts as that. */
function watchHealth({ url }: Subject): { stop(): Promise<readonly number[]> } {
  const took: number[] = [];
  const ended = new AbortController();
  const watching = (async () => {
    while (!ended.signal.aborted) {
      const startedAt = performance.now();
      await fetch(new URL('/health/live', url), { signal: AbortSignal.timeout(10_000) })
        .then((response) => response.text())
        .catch(() => '');
      took.push(performance.now() - startedAt);
      await sleep(HEALTH_EVERY_MS);
    }
  })();
  return {
    async stop() {
      ended.abort();
      await watching;
      return took.toSorted((one, other) => one - other);
    },
  };
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function describeRound(round: Round | undefined): string {
  if (round === undefined) return '';
  const { subject, times, peak, overload, healthMs, memoryMb } = round;
  return `${subject}, peak ${Math.round(peak)}/s; at ${times}× ${Math.round(overload.answeredPerSecond)}/s answered, ${overload.shed} shed of ${overload.sent}, ${overload.errors - overload.shed} failed, p99 ${Math.round(overload.p99Ms)} ms, health p99 ${Math.round(at(healthMs, 0.99))} ms, ${Math.round(memoryMb.peak)} → ${Math.round(memoryMb.overload)} → ${Math.round(memoryMb.after)} MB`;
}

function rowsOf(rounds: readonly Round[], subjects: readonly [Subject, Subject]): BenchResult['rows'] {
  const most = Math.max(...TIMES);
  const roundsOf = ({ name }: Subject, wanted: number): Round[] =>
    rounds.filter(({ subject, times }) => subject === name && times === wanted);
  return [
    ...targetsOf(roundsOf(subjects[0], most), most),
    ...subjects.flatMap((subject) =>
      TIMES.map((times) => figuresOf(roundsOf(subject, times), `${subject.name} · at ${times} × what it can answer`)),
    ),
  ];
}

function targetsOf(rounds: readonly Round[], times: number): BenchResult['rows'] {
  const over = (figure: (round: Round) => number): number => median(rounds.map(figure));
  const target = (what: string, measured: number, sign: '≥' | '≤', bound: number): BenchResult['rows'][number] => ({
    label: `targets behind the balancer, at ${times} × what it can answer · ${what}`,
    metrics: { measured },
    target: `${sign} ${bound}`,
    met: sign === '≥' ? measured >= bound : measured <= bound,
  });
  return [
    target(
      'goodput / peak',
      over(({ peak, overload }) => overload.answeredPerSecond / peak),
      '≥',
      0.8,
    ),
    target(
      'p99 of those let in, ms',
      over(({ overload }) => overload.p99Ms),
      '≤',
      1_000,
    ),
    target(
      'p99 of /health/live, ms',
      over(({ healthMs }) => at(healthMs, 0.99)),
      '≤',
      50,
    ),
    target(
      'memory afterwards / at the peak',
      over(({ memoryMb }) => memoryMb.after / memoryMb.peak),
      '≤',
      MEMORY_BACK,
    ),
  ];
}

function figuresOf(rounds: readonly Round[], label: string): BenchResult['rows'][number] {
  const over = (figure: (round: Round) => number): number => median(rounds.map(figure));
  return {
    label,
    metrics: {
      peakPerSecond: over(({ peak }) => peak),
      answeredPerSecond: over(({ overload }) => overload.answeredPerSecond),
      shedShare: over(({ overload }) => overload.shed / overload.sent),
      unansweredShare: over(({ overload }) => (overload.errors - overload.shed) / overload.sent),
      p50Ms: over(({ overload }) => overload.p50Ms),
      p99Ms: over(({ overload }) => overload.p99Ms),
      healthP50Ms: over(({ healthMs }) => at(healthMs, 0.5)),
      healthP99Ms: over(({ healthMs }) => at(healthMs, 0.99)),
      memoryPeakMb: over(({ memoryMb }) => memoryMb.peak),
      memoryOverloadMb: over(({ memoryMb }) => memoryMb.overload),
      memoryAfterMb: over(({ memoryMb }) => memoryMb.after),
    },
  };
}

function notesOf({ rounds, seconds }: BenchOptions): string[] {
  return [
    `${rounds} rounds of ${seconds} s at a constant rate of ${TIMES.join(' and ')} times the peak, which a closed loop of ${CONNECTIONS} connections found just before.`,
    'The hub has half of a core: a process that wants all of it takes the other half. Health is asked for on the same way as the load comes.',
    'Latencies count from the moment a request was meant to start, of those that were answered 200; what was shed was answered 503. The generator holds 4,096 connections at most: what waits for one of them counts, and is unanswered at the end.',
    `Memory afterwards is read ${REST_MS / 1_000} s after the load; a connection of the health check stays open throughout.`,
  ];
}
