/**
 * Starts a stack of its own, lets it serve in quiet, deploys it, then provokes faults and carries out the runbooks of their alerts. Ends with
 * `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { DrillReport } from '#stack/index';
import { pause, systemClock as clock } from '#core/clock';
import { dropShown, panelQueries } from './deploy/grafana/prove.ts';
import { document, redrilled, seconds } from './drills-report.ts';
import { startVisitors } from './visitors.ts';
import { startTraffic } from '../src/stack/drill/traffic.ts';
import { alerts, allRead, firing, until } from '../src/stack/drill/watch.ts';
import type { Watched } from '../src/stack/drill/watch.ts';

const at = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const OFFSET = 4_100;
const PROGRAM = at('bin/revoagent.js');
const USAGE = `npm run drills                        every alert that a local stack can provoke, about 25 minutes
npm run drills -- --short             one of each kind of fault, about 5 minutes
npm run drills -- --only HubDown      one; may be repeated
npm run drills -- --quiet 60          seconds of quiet before; ten times as many by the alerts' own clock
npm run drills -- --write             the report goes into docs/drills.md; with --only, its lines there`;
/** A process killed, stopped, and blocked; each dependency; an upstream that fails and one that is slow. */
const SHORT = [
  'BalancerDown',
  'HubInstanceDown',
  'EventLoopBlocked',
  'PostgresDown',
  'RedisDown',
  'BreakerOpen',
  'UpstreamSlow',
];
/** The alerts' own times are divided by so much. */
const FASTER = 10;
const HUB = `http://127.0.0.1:${8_080 + OFFSET}`;
const WATCHED: Watched = {
  clock,
  prometheus: `http://127.0.0.1:${9_090 + OFFSET}`,
  alertmanager: `http://127.0.0.1:${9_093 + OFFSET}`,
};
const OF_THE_MACHINE = /^(Machine|Disk)/;
const SETTLE_MS = 30_000;
/** Over the time that an alert waits for an instance that is gone. */
const AFTER_DEPLOY_MS = 70_000;
const ASK_EVERY_MS = 5_000;

async function revoagent(words: readonly string[], onLine: (line: string) => void): Promise<number | null> {
  const child = spawn(process.execPath, [PROGRAM, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let rest = '';
  child.stdout.on('data', (part: Buffer) => {
    const lines = (rest + part.toString()).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
  return new Promise((resolve) => child.once('close', resolve));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      short: { type: 'boolean' },
      help: { type: 'boolean' },
      quiet: { type: 'string', default: '60' },
      write: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const wanted = values.only ?? (values.short === true ? SHORT : ['--all']);
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-drills-'));
  // PostgreSQL runs as another user.
  chmodSync(folder, 0o755);
  const stack = path.join(folder, 'stack');
  const reports: DrillReport[] = [];
  const fired = new Set<string>();
  const empty = panelQueries();
  const panels = empty.size;
  const end = async (): Promise<void> => {
    await revoagent(['down', '--folder', stack], () => undefined);
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupted = (): void => void end().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const started = await revoagent(
      ['up', '--detach', '--drills', '--folder', stack, '--port-offset', String(OFFSET)],
      (line) => console.log(line),
    );
    if (started !== 0) throw new Error('the stack did not start');
    console.log(`\nQuiet for ${values.quiet} s, then a rolling deploy: nothing may fire.`);
    await inQuiet(Number(values.quiet) * 1_000, { stack, fired, empty });
    console.log(fired.size === 0 ? 'ok      Nothing fired.' : `FAILED  ${[...fired].join(', ')} fired`);
    console.log(`        ${panels - empty.size} of ${panels} queries of the dashboards had something to show.`);
    const drilled = new AbortController();
    const asking = dropAsShown(empty, drilled.signal);
    await revoagent(['drill', ...wanted, '--json', '--folder', stack], (line) => {
      const report = JSON.parse(line) as DrillReport;
      reports.push(report);
      console.log(lineOf(report));
    });
    drilled.abort();
    await asking;
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await end();
  }
  // Some panels show failures alone, so all of them can be judged only where everything was provoked.
  const shown = wanted[0] !== '--all' || empty.size === 0;
  console.log(
    shown ? 'ok      No panel is empty.' : `FAILED  empty all the time:\n  ${[...empty.keys()].join('\n  ')}`,
  );
  if (values.write === true) {
    const page = at('docs/drills.md');
    const ofAll = { fired: [...fired], empty: [...empty.keys()], quietSeconds: Number(values.quiet), faster: FASTER };
    const text =
      wanted[0] === '--all' ? document(reports, ofAll) : redrilled(readFileSync(page, 'utf8'), reports, ofAll.empty);
    writeFileSync(page, text);
  }
  const outcomes = [...reports.map(({ outcome }) => outcome !== 'failed'), fired.size === 0, shown];
  const failed = outcomes.filter((passed) => !passed).length;
  console.log(`\n${outcomes.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && reports.length > 0 ? 0 : 1;
}

interface Quiet {
  readonly stack: string;
  /** Gains the alerts that fire. */
  readonly fired: Set<string>;
  /** Loses what panels show. */
  readonly empty: Map<string, string>;
}

/** With traffic of every kind, and no fault. */
async function inQuiet(ms: number, { stack, fired, empty }: Quiet): Promise<void> {
  const traffic = startTraffic(clock, HUB);
  const visitors = await startVisitors(HUB);
  const watch = async (ended: () => boolean): Promise<void> => {
    while (!ended()) {
      // What is said of this machine is true where others work on it too.
      for (const name of await firing(WATCHED)) if (!OF_THE_MACHINE.test(name)) fired.add(name);
      await pause(clock, 1_000);
    }
  };
  const after = (wait: number) => {
    const endsAt = clock.now() + wait;
    return () => clock.now() >= endsAt;
  };
  // The alerts' times are shortened, a start is not: what was not read yet is about to fire or has, and is over within seconds.
  await until(clock, SETTLE_MS, async () => {
    if (!(await allRead(WATCHED))) return false;
    return (await alerts(WATCHED)).every(({ name }) => OF_THE_MACHINE.test(name));
  });
  await watch(after(ms));
  await dropShown(WATCHED.prometheus, empty);
  // A deploy is not shortened either: it is watched with the alerts as they ship.
  await withShippedRules(stack, async () => {
    let deployed = false;
    const deploying = revoagent(['deploy', '--folder', stack], () => undefined).then((code) => {
      deployed = true;
      if (code !== 0) throw new Error('the rolling deploy failed');
    });
    await watch(() => deployed);
    await deploying;
    await watch(after(AFTER_DEPLOY_MS));
  });
  visitors.stop();
  traffic.stop();
  if (traffic.failed > 0) throw new Error(`${traffic.failed} of ${traffic.sent} requests failed without a fault`);
}

async function withShippedRules(stack: string, work: () => Promise<void>): Promise<void> {
  const folder = path.join(stack, 'prometheus', 'rules');
  const files = readdirSync(folder);
  const put = async (textOf: (file: string) => string): Promise<void> => {
    for (const file of files) writeFileSync(path.join(folder, file), textOf(file));
    const { ok } = await fetch(`${WATCHED.prometheus}/-/reload`, { method: 'POST' });
    if (!ok) throw new Error('Prometheus did not read its rules anew');
  };
  const faster = new Map(files.map((file) => [file, readFileSync(path.join(folder, file), 'utf8')]));
  await put((file) => readFileSync(at(`deploy/prometheus/rules/${file}`), 'utf8'));
  await work();
  await put((file) => faster.get(file) ?? '');
}

/** Prometheus itself is ill in one drill: what it does not answer is asked again. */
async function dropAsShown(empty: Map<string, string>, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await dropShown(WATCHED.prometheus, empty).catch(() => undefined);
    await pause(clock, ASK_EVERY_MS);
  }
}

const words = { passed: 'ok     ', failed: 'FAILED ', 'not run': 'NOT RUN' };

function lineOf({ alert, outcome, firedMs, mitigatedMs, clearedMs, sent, failed, reason }: DrillReport): string {
  const times = `fires ${seconds(firedMs)} s, mitigated in ${seconds(mitigatedMs)} s, over ${seconds(clearedMs)} s later`;
  return `${words[outcome]}  ${alert.padEnd(24)} ${times}, ${failed} of ${sent} requests lost${reason === null ? '' : `\n        ${reason}`}`;
}

await main();
