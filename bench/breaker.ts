/**
 * The circuit breaker beside other libraries, around an operation that costs next to nothing: closed, open, and inside retry and
 * timeout. Every measurement is a process of its own; the subjects take turns within a round.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { median, medianDifference } from './statistics.ts';

const SUBJECT = fileURLToPath(new URL('subjects/breakers.ts', import.meta.url));
const MEASURE_MS = 300;
const BARE = 'bare await';
const WRAPPED = 'an async function around it';
const CLOCK = 'reading the clock';
const CLOSED = ['closed, tryExecute', 'closed, execute', 'closed, cockatiel', 'closed, opossum', 'closed, mollitia'];
const COMPOSED = ['retry + breaker + timeout, tryExecute', 'retry + breaker + timeout, cockatiel'];
const OPEN = ['open, tryExecute', 'open, execute', 'open, cockatiel', 'open, opossum'];
const inProcess = promisify(execFile);

type Row = BenchResult['rows'][number];
type Rounds = Map<string, number[]>;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const rounds: Rounds = new Map();
  for (let round = 1; round <= options.rounds; round++) {
    options.progress(`round ${round} of ${options.rounds}`);
    for (const subject of [BARE, WRAPPED, CLOCK, ...CLOSED, ...COMPOSED, ...OPEN]) {
      const { nanoseconds = NaN } = await measured([subject, String(MEASURE_MS)]);
      rounds.set(subject, [...(rounds.get(subject) ?? []), nanoseconds]);
    }
  }
  const memory = await measured(['memory'], ['--expose-gc', '--max-semi-space-size=256']);
  return {
    name: 'breaker',
    rows: [...targetRows(rounds, memory), ...timeRows(rounds)],
    notes: [
      `${options.rounds} rounds, ${MEASURE_MS} ms a subject after as long to warm up, each in a process of its own; medians over rounds.`,
      'Calls that come in a row share readings of the clock, 64 at most; one that comes alone pays "reading the clock" as well.',
      `"over bare" is the median of the differences within a round. ${(await Promise.all(['cockatiel', 'opossum', 'mollitia'].map(version))).join(', ')}.`,
    ],
  };
}

async function measured(args: readonly string[], flags: readonly string[] = []): Promise<Record<string, number>> {
  const { stdout } = await inProcess(process.execPath, [...flags, SUBJECT, ...args]);
  return JSON.parse(stdout);
}

function targetRows(rounds: Rounds, memory: Record<string, number>): Row[] {
  const over = (subject: string): number => medianDifference(of(rounds, subject), of(rounds, BARE));
  const best = Math.min(...CLOSED.slice(2).map((subject) => median(of(rounds, subject))));
  return [
    judge('closed, ns over a bare await', over('closed, tryExecute'), 80),
    judge(
      'closed, ns over an async function around it',
      medianDifference(of(rounds, 'closed, tryExecute'), of(rounds, WRAPPED)),
      80,
    ),
    judge('closed / the quickest other library', median(of(rounds, 'closed, tryExecute')) / best, 1),
    judge('retry + breaker + timeout, ns', median(of(rounds, 'retry + breaker + timeout, tryExecute')), 600),
    judge('open by tryExecute, ns', median(of(rounds, 'open, tryExecute')), 150),
    judge('open, thrown, ns', median(of(rounds, 'open, execute')), 1_000),
    judge('retry + breaker + timeout, bytes a call', memory['bytesACall'] ?? NaN, 600),
    judge('bytes a breaker, of 10,000', memory['bytesABreaker'] ?? NaN, 1_024),
    judge('timers that 10,000 breakers hold', memory['timers'] ?? NaN, 0),
  ];
}

function judge(what: string, value: number, bound: number): Row {
  return { label: `targets · ${what}`, metrics: { measured: value }, target: `≤ ${bound}`, met: value <= bound };
}

function timeRows(rounds: Rounds): Row[] {
  return [...rounds.keys()].map((subject) => ({
    label: `time of a call · ${subject}`,
    metrics: {
      nanoseconds: median(of(rounds, subject)),
      overBareNs: medianDifference(of(rounds, subject), of(rounds, BARE)),
    },
  }));
}

function of(rounds: Rounds, subject: string): number[] {
  return rounds.get(subject) ?? [];
}

async function version(name: string): Promise<string> {
  const manifest = await readFile(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  const { version: found }: { version: string } = JSON.parse(manifest);
  return `${name} ${found}`;
}
