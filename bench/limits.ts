/**
 * Limits beside other libraries. How many calls a second one process admits, in memory and in Redis, under 64 callers; and how exact ten
 * processes are on one Redis while three times the limit is asked for: the most that any interval of the window's length let in. Then
 * the hub with its limits in Redis on, beside the bare relay.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../tests/helpers/redis.ts';
import type { TestRedis } from '../tests/helpers/redis.ts';
import { createLab } from './lab.ts';
import { measureLimitedLane } from './measures/limited-lane.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { median } from './statistics.ts';
import type { LimiterJob } from './subjects/limiters.ts';

type Row = BenchResult['rows'][number];

const SUBJECT = fileURLToPath(new URL('subjects/limiters.ts', import.meta.url));
const OURS = 'this hub';
const PEERS = ['rate-limiter-flexible', '@fastify/rate-limit'];
const PLACES = ['memory', 'Redis'] as const;
const NEVER = 1_000_000_000;
const PROCESSES = 10;
const LIMIT = 300;
const WINDOW_MS = 3_000;
/** Of the limit, what is asked for. */
const OVERLOAD = 3;

interface Exactness {
  readonly most: number;
  readonly fewest: number;
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const rates = new Map<string, number[]>();
  const exactness = new Map<string, Exactness[]>();
  const redis = await startRedis();
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const who of [OURS, ...PEERS]) {
        options.progress(`round ${round} of ${options.rounds}: ${who}`);
        for (const place of PLACES) {
          await redis.command('FLUSHALL');
          const url = place === 'memory' ? null : redis.url;
          const forMs = options.seconds * 500;
          const job = { kind: 'rate', url, limit: NEVER, windowMs: 60_000, forMs, everyMs: 0 } as const;
          keep(rates, `${who}, ${place}`, Number(await told(started(who, job))));
        }
        keep(exactness, who, await ofManyProcesses(redis, who, options.quick));
      }
    }
  } finally {
    await redis.close();
  }
  await using lab = await createLab();
  const lane = await measureLimitedLane(lab, options);
  return {
    name: 'limits',
    rows: [...targetRows(exactness), ...lane.targets, ...exactRows(exactness), ...rateRows(rates), ...lane.rows],
    notes: [
      `${options.rounds} rounds; each library in processes of its own, taking turns. Redis runs on the same machine, without persistence.`,
      `Exactness: ${PROCESSES} processes together ask for ${OVERLOAD} × ${LIMIT} calls every ${WINDOW_MS / 1_000} s; the hub's are counted by when Redis decided, the others', which do not tell that, by when the answer was there: on a busy machine some per cent of theirs are the machine's own.`,
      'The other libraries count by fixed windows, or by windows that begin with a first call: that is what they promise, and it lets up to twice the limit into an interval that lies across two of them.',
      ...lane.notes,
    ],
  };
}

function keep<T>(map: Map<string, T[]>, name: string, value: T): void {
  map.set(name, [...(map.get(name) ?? []), value]);
}

function started(who: string, job: LimiterJob): ChildProcess {
  return fork(SUBJECT, [who, JSON.stringify(job)], { execArgv: ['--conditions=revoagent-source'] });
}

async function told(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs.join(' ')} ended with ${String(code)} before it told anything`);
  });
  const [message] = await Promise.race([once(child, 'message'), ended]);
  return message;
}

async function ofManyProcesses(redis: TestRedis, who: string, quick: boolean): Promise<Exactness> {
  await redis.command('FLUSHALL');
  const forMs = (quick ? 3 : 6) * WINDOW_MS;
  const everyMs = (WINDOW_MS * PROCESSES) / (LIMIT * OVERLOAD);
  const job = { kind: 'exact', url: redis.url, limit: LIMIT, windowMs: WINDOW_MS, forMs, everyMs } as const;
  const children = Array.from({ length: PROCESSES }, () => started(who, job));
  await Promise.all(children.map(told));
  const answers = children.map(told);
  for (const child of children) child.send('go');
  const times = (await Promise.all(answers)) as number[][];
  return extremes(times.flat().toSorted((one, other) => one - other));
}

/** The most, and the fewest, of any interval of the window's length between the first and the last that was let in. */
function extremes(times: readonly number[]): Exactness {
  const last = times.at(-1) ?? 0;
  let [end, most, fewest] = [0, 0, Number.POSITIVE_INFINITY];
  times.forEach((from, begin) => {
    while ((times[end] ?? Number.POSITIVE_INFINITY) < from + WINDOW_MS) end++;
    most = Math.max(most, end - begin);
    if (from + WINDOW_MS <= last) fewest = Math.min(fewest, end - begin);
  });
  return { most, fewest };
}

function targetRows(exactness: ReadonlyMap<string, readonly Exactness[]>): Row[] {
  const ours = exactness.get(OURS) ?? [];
  const most = Math.max(...ours.map((each) => each.most)) / LIMIT;
  return [
    {
      label: `targets · the most of any window, of the limit, ${PROCESSES} instances`,
      metrics: { measured: most },
      target: '≤ 1.01',
      met: most <= 1.01,
    },
  ];
}

function exactRows(exactness: ReadonlyMap<string, readonly Exactness[]>): Row[] {
  return [...exactness].map(([who, each]) => ({
    label: `exactness of ${PROCESSES} processes, of the limit · ${who}`,
    metrics: {
      most: Math.max(...each.map(({ most }) => most)) / LIMIT,
      fewest: Math.min(...each.map(({ fewest }) => fewest)) / LIMIT,
    },
  }));
}

function rateRows(rates: ReadonlyMap<string, readonly number[]>): Row[] {
  return [...rates].map(([subject, each]) => ({
    label: `admissions a second, one process · ${subject}`,
    metrics: { admissionsPerSecond: median([...each]) },
  }));
}
