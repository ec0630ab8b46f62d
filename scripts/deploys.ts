/**
 * `npm run deploys`: the long proof that nobody notices. Stacks of 2, 3 and 10 hubs are renewed under load again and again, forth to the
 * version before the last change of the schema and back to this one; then one is scaled from 2 to 10 and back, by hand and by
 * its autoscaler; then each part of one is killed in turn. Requests that failed, were carried out twice or were cut, and sockets that were not
 * back within a second, are counted; it ends with 1 where there was one, or, of what could be served while parts were killed, one in a thousand.
 *
 *   npm run deploys                                   500,000 requests, 18 restarts at least: an hour and more
 *   npm run deploys -- --requests 5000 --restarts 4 --hubs 2
 *   npm run deploys -- --before 1a2b3c4               against this version
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '#core/clock';
import { startLoad } from '#stack/check/load';
import { callStack, controlFile, startOwnStack } from '#stack/index';
import type { OwnStack, OwnStackOptions } from '#stack/index';
import { until } from '../src/stack/drill/watch.ts';
import { startSockets } from '../tests/helpers/load.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SOCKETS = 50;
const BACK_MS = 1_000;
const SHOWN = 5;
/** So that what one fault brings is not taken for the next one's. */
const QUIET_BETWEEN_MS = 5_000;

interface Counted {
  readonly what: string;
  readonly restarts: number;
  readonly requests: number;
  readonly failed: number;
  readonly twice: number;
  readonly socketsBack: number;
  readonly slowestBackMs: number;
  readonly refusedSockets: number;
}

/** How far back a commit is looked for that starts: one in the middle of a merge may not. */
const COMMITS_TRIED = 20;

/** An installation of `from`, or of the last commit that starts before the schema changed last, over the packages of this one. */
function versionBefore(folder: string, from: string | undefined): string {
  const git = (...words: string[]): string => {
    const { status, stdout, stderr } = spawnSync('git', words, { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`git ${words.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const first = from ?? `${git('log', '-1', '--format=%H', '--', 'src/storage/migrations')}^`;
  for (const commit of git('rev-list', `--max-count=${COMMITS_TRIED}`, first).split('\n')) {
    const place = path.join(folder, commit);
    mkdirSync(place, { recursive: true });
    const archive = path.join(place, 'before.tar');
    git('archive', '--output', archive, commit);
    spawnSync('tar', ['-xf', archive, '-C', place]);
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(place, 'node_modules'));
    const program = path.join(place, 'bin', 'revoagent.js');
    if (spawnSync(process.execPath, [program, '--version']).status === 0) {
      console.log(`The version before is ${git('log', '-1', '--format=%h "%s"', commit)}`);
      return program;
    }
  }
  throw new Error(`none of ${COMMITS_TRIED} commits up to ${first} starts`);
}

const open = new Set<OwnStack>();

async function startStack(options: OwnStackOptions): Promise<OwnStack> {
  const own = await startOwnStack(systemClock, () => undefined, options);
  open.add(own);
  return own;
}

function closeStack(own: OwnStack): Promise<void> {
  open.delete(own);
  return own.close();
}

/** Acts on a stack under load, and counts what callers saw of it. */
async function underLoad(
  what: string,
  options: OwnStackOptions,
  perSecond: number,
  act: (own: OwnStack, requests: () => number) => Promise<number>,
): Promise<Counted> {
  const own = await startStack(options);
  try {
    const sockets = await startSockets(own.site.url, SOCKETS);
    const load = startLoad(own.site, perSecond);
    const restarts = await act(own, () => load.outcomes.length);
    await load.stop();
    await sockets.stop();
    const failed = load.outcomes.filter(({ failure }) => failure !== null);
    for (const { kind, failure } of failed.slice(0, SHOWN)) console.log(`  ${kind}: ${failure}`);
    for (const refusal of sockets.refused.slice(0, SHOWN)) console.log(`  socket: ${refusal}`);
    const counted = {
      what,
      restarts,
      requests: load.outcomes.length,
      failed: failed.length,
      twice: twiceAsked(own),
      socketsBack: sockets.backMs.length,
      slowestBackMs: Math.round(Math.max(0, ...sockets.backMs)),
      refusedSockets: sockets.refused.length,
    };
    console.log(JSON.stringify(counted));
    return counted;
  } finally {
    await closeStack(own);
  }
}

const KILLED = ['prometheus', 'redis-cache', 'redis-state', 'postgres', 'nginx', 'hub-2'];
const FAILED_SHARE_MAX = 0.001;
const BACK_WITHIN_MS = 60_000;

interface KilledInTurn {
  readonly requests: number;
  /** Nobody could take them: the balancer was away. */
  readonly unservable: number;
  readonly failed: number;
  readonly twice: number;
  readonly failedShare: number;
  readonly slowestBackMs: number;
}

async function killedInTurn(perSecond: number): Promise<KilledInTurn> {
  const own = await startStack({});
  try {
    const load = startLoad(own.site, perSecond);
    const failedNow = (): number => load.outcomes.filter(({ failure }) => failure !== null).length;
    const backMs: number[] = [];
    let unservable = 0;
    for (const part of KILLED) {
      await systemClock.sleep(QUIET_BETWEEN_MS);
      const before = failedNow();
      backMs.push(await killAndWait(own, part));
      await systemClock.sleep(QUIET_BETWEEN_MS);
      console.log(`  ${part}: ${failedNow() - before} failed, back after ${Math.round(backMs.at(-1) ?? 0)} ms`);
      if (part === 'nginx') unservable = failedNow() - before;
    }
    await load.stop();
    const [requests, all] = [load.outcomes.length, failedNow()];
    for (const { kind, failure } of load.outcomes.filter((outcome) => outcome.failure !== null).slice(-SHOWN))
      console.log(`  ${kind}: ${failure}`);
    return {
      requests,
      unservable,
      failed: all - unservable,
      twice: twiceAsked(own),
      failedShare: (all - unservable) / (requests - unservable),
      slowestBackMs: Math.round(Math.max(...backMs)),
    };
  } finally {
    await closeStack(own);
  }
}

/** Milliseconds until it is ready again. */
async function killAndWait({ site }: OwnStack, name: string): Promise<number> {
  const find = async () => (await site.status()).parts.find((part) => part.name === name);
  const pid = (await find())?.pid;
  if (pid === undefined || pid === null) throw new Error(`the stack has no ${name}`);
  process.kill(pid, 'SIGKILL');
  const backMs = await until(systemClock, BACK_WITHIN_MS, async () => {
    const part = await find();
    return part?.state === 'ready' && part.pid !== pid;
  });
  if (backMs === null) throw new Error(`${name} did not come back within ${BACK_WITHIN_MS / 1_000} s`);
  return backMs;
}

function twiceAsked({ site }: OwnStack): number {
  return [...(site.upstream?.asked.values() ?? [])].filter((times) => times > 1).length;
}

async function order({ folder }: OwnStack, command: string, words: Record<string, unknown>): Promise<void> {
  await callStack(controlFile(folder), { command, words }, () => undefined, 'the stack ended');
}

async function waitForHubs({ site }: OwnStack, wanted: number, withinS: number): Promise<void> {
  const tookMs = await until(systemClock, withinS * 1_000, async () => (await site.status()).hubs === wanted);
  if (tookMs === null) throw new Error(`the autoscaler did not come to ${wanted} hubs within ${withinS} s`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '500000' },
      restarts: { type: 'string', default: '18' },
      rate: { type: 'string', default: '150' },
      hubs: { type: 'string', default: '2,3,10' },
      scale: { type: 'boolean', default: false },
      before: { type: 'string' },
    },
  });
  const counts = values.hubs.split(',').map(Number);
  const [requests, restarts, perSecond] = [values.requests, values.restarts, values.rate].map(Number);
  if (requests === undefined || restarts === undefined || perSecond === undefined) throw new Error('no figures');
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-deploys-'));
  const results: Counted[] = [];
  try {
    const programs = [
      versionBefore(path.join(folder, 'before'), values.before),
      path.join(ROOT, 'bin', 'revoagent.js'),
    ];
    for (const hubs of counts)
      results.push(
        await underLoad(`renewal of ${hubs} hubs`, { hubs }, perSecond, async (own, served) => {
          let done = 0;
          for (let round = 0; done < restarts / counts.length || served() < requests / counts.length; round++) {
            await order(own, 'deploy', { program: programs[round % 2] });
            done += hubs;
            console.log(`  ${hubs} hubs: ${done} restarts, ${served()} requests`);
          }
          return done;
        }),
      );
    if (values.scale || counts.length > 1) {
      results.push(
        await underLoad('scale 2 to 10 to 2 by hand', {}, perSecond, async (own) => {
          await order(own, 'scale', { hubs: 10 });
          await order(own, 'scale', { hubs: 2 });
          return 8;
        }),
        await underLoad('a load that rises and falls, autoscaled', autoscaled(perSecond), 1, async (own) => {
          const rise = startLoad(own.site, perSecond);
          await waitForHubs(own, 10, 300);
          await rise.stop();
          await waitForHubs(own, 2, 600);
          const failed = rise.outcomes.filter(({ failure }) => failure !== null);
          if (failed.length > 0) throw new Error(`${failed.length} of the rising load failed: ${failed[0]?.failure}`);
          return 8;
        }),
      );
      console.log('each part killed in turn');
      const killed = await killedInTurn(perSecond);
      console.table([killed]);
      if (killed.failedShare > FAILED_SHARE_MAX || killed.twice > 0) process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.table(results);
  const bad = results.filter(
    (each) => each.failed + each.twice + each.refusedSockets > 0 || each.slowestBackMs >= BACK_MS,
  );
  if (bad.length > 0) process.exitCode = 1;
}

/** So that the load asks for ten hubs, and its end for two within minutes. */
function autoscaled(perSecond: number): OwnStackOptions {
  return {
    autoscale: { requestsPerMinute: (perSecond * 60) / 15, downWindowMs: 30_000 },
    onNote: (text) => console.log(`  ${text}`),
  };
}

process.once('SIGINT', () => {
  void Promise.all([...open].map(closeStack)).finally(() => process.exit(130));
});
await main();
