/**
 * The cache beside other libraries: hits in memory, hits in Redis under 64 callers, misses with a factory that costs nothing; then cold
 * calls while Redis hangs, and one key asked for by four processes. Every measurement is a process of its own; the subjects take
 * turns within a round. At the end a completion that the hub has in memory, beside a bare Fastify route that answers the same bytes.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../tests/helpers/redis.ts';
import type { TestRedis } from '../tests/helpers/redis.ts';
import { measureCompletion } from './measures/completion.ts';
import type { Completion } from './measures/completion.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { median, medianRatio } from './statistics.ts';

const SUBJECT = fileURLToPath(new URL('subjects/caches.ts', import.meta.url));
const CALLER = fileURLToPath(new URL('../tests/helpers/cache-process.ts', import.meta.url));
const MEASURE_MS = 500;
/** Until the code of all of them is compiled as far as it will be. */
const WARM_UP_MS = 2_000;
const OURS = 'revoagent/cache';
const PEERS = ['bentocache', 'cacheable', 'cache-manager'];
const RAW = 'Redis hit, GET and JSON.parse alone';
const PROCESSES = 4;
const CALLERS = 1_000;
const SUBJECTS = [
  RAW,
  'memory hit, lru-cache and its fetch alone',
  ...['memory hit', 'Redis hit', 'miss and factory'].flatMap((what) =>
    [OURS, ...PEERS].map((who) => `${what}, ${who}`),
  ),
];

type Row = BenchResult['rows'][number];
type Rounds = Map<string, number[]>;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const warmUpMs = options.quick ? MEASURE_MS : WARM_UP_MS;
  const rounds: Rounds = new Map();
  const hung: number[] = [];
  const factoryCalls: number[] = [];
  const delays: number[] = [];
  const redis = await startRedis();
  try {
    for (let round = 1; round <= options.rounds; round++) {
      options.progress(`round ${round} of ${options.rounds}`);
      for (const subject of SUBJECTS) {
        await redis.command('FLUSHALL');
        const figure = await measured([subject, String(MEASURE_MS), redis.url, String(warmUpMs)]);
        rounds.set(subject, [...(rounds.get(subject) ?? []), figure]);
      }
      hung.push(await whileItHangs(redis));
      await redis.command('FLUSHALL');
      delays.push(await measured(['large', '0', redis.url]));
      factoryCalls.push(await ofManyProcesses(redis));
    }
  } finally {
    await redis.close();
  }
  return {
    name: 'cache',
    rows: [
      ...targetRows(rounds, hung, factoryCalls),
      ...completionRows(await measureCompletion(options)),
      ...rateRows(rounds),
      { label: 'event loop · values of 5 MB and 3.9 MB', metrics: { delayP99Ms: median(delays) } },
    ],
    notes: [
      `${options.rounds} rounds, ${MEASURE_MS} ms a subject after ${warmUpMs} ms to warm up, each in a process of its own; medians over rounds, ratios within one.`,
      'The value is a completion of about 500 bytes. Redis runs on the same machine, without persistence; the other libraries reach it through the same client. Rates on Redis are measured without deadlines.',
      'The completion: 64 connections to one process on a core of its own, the hub with its log, metrics and run records on an embedded database, whose thread has what the load leaves of the other core; Fastify parses the request and answers the bytes.',
    ],
  };
}

function started(program: string, args: readonly string[]): ChildProcess {
  return fork(program, [...args], { execArgv: ['--conditions=revoagent-source'] });
}

/** What it says next; one that ends without a word fails the benchmark instead of holding it. */
function told(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null): void =>
      reject(new Error(`${child.spawnargs.at(-3) ?? ''} ended with ${code ?? signal} and said nothing`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}

async function measured(args: readonly string[]): Promise<number> {
  return Number(await told(started(SUBJECT, args)));
}

async function whileItHangs(redis: TestRedis): Promise<number> {
  const child = started(SUBJECT, ['hung', '0', redis.url]);
  await told(child);
  redis.stop();
  try {
    child.send('go');
    return Number(await told(child));
  } finally {
    redis.cont();
  }
}

async function ofManyProcesses(redis: TestRedis): Promise<number> {
  await redis.command('FLUSHALL');
  const children = Array.from({ length: PROCESSES }, () => started(CALLER, [redis.url, String(CALLERS)]));
  await Promise.all(children.map(told));
  const answers = children.map(told);
  for (const child of children) child.send('go');
  await Promise.all(answers);
  return Number(await redis.command('GET', 'factory-calls'));
}

function targetRows(rounds: Rounds, hung: readonly number[], factoryCalls: readonly number[]): Row[] {
  const ratio = (subject: string, others: readonly string[]): number => {
    const [quickest = ''] = others.toSorted((a, b) => median(of(rounds, b)) - median(of(rounds, a)));
    return medianRatio(of(rounds, subject), of(rounds, quickest));
  };
  const peers = (what: string): string[] => PEERS.map((who) => `${what}, ${who}`);
  return [
    atLeast('memory hits a second', median(of(rounds, `memory hit, ${OURS}`)), 1_500_000),
    atLeast('memory hits / the quickest other library', ratio(`memory hit, ${OURS}`, peers('memory hit')), 1),
    atLeast('Redis hits at 64 callers / the client alone', ratio(`Redis hit, ${OURS}`, [RAW]), 0.8),
    atLeast('misses / the quickest other library', ratio(`miss and factory, ${OURS}`, peers('miss and factory')), 1),
    atMost('cold call while Redis hangs, p99 in ms', median(hung), 60),
    atMost(`factory calls of ${PROCESSES} × ${CALLERS} callers of one key`, Math.max(...factoryCalls), 1),
  ];
}

function completionRows({ ratio, longRatio, lost }: Completion): Row[] {
  return [
    atLeast('completion from memory / bare Fastify', ratio, 0.75),
    atLeast('completion from memory / bare Fastify, a request of 8 KiB', longRatio, 0.75),
    atMost('run records lost meanwhile', lost, 0),
  ];
}

function atLeast(what: string, value: number, bound: number): Row {
  return { label: `targets · ${what}`, metrics: { measured: value }, target: `≥ ${bound}`, met: value >= bound };
}

function atMost(what: string, value: number, bound: number): Row {
  return { label: `targets · ${what}`, metrics: { measured: value }, target: `≤ ${bound}`, met: value <= bound };
}

function rateRows(rounds: Rounds): Row[] {
  return [...rounds.keys()].map((subject) => ({
    label: `calls a second · ${subject}`,
    metrics: { callsPerSecond: median(of(rounds, subject)) },
  }));
}

function of(rounds: Rounds, subject: string): number[] {
  return rounds.get(subject) ?? [];
}
