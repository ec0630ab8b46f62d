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
import { parseRunbook } from '#stack/index';
import type { DrillReport } from '#stack/index';
import { systemClock as clock } from '#core/clock';
import { machineFacts } from '../bench/machine.ts';
import { dropShown, panelQueries } from './deploy/grafana/prove.ts';
import { startVisitors } from './visitors.ts';
import { startTraffic } from '../src/stack/drill/traffic.ts';
import { firing, pause, until } from '../src/stack/drill/watch.ts';
import type { Watched } from '../src/stack/drill/watch.ts';

const at = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const OFFSET = 4_100;
const PROGRAM = at('bin/revoagent.js');
const USAGE = `npm run drills                        every alert that a local stack can provoke, about 25 minutes
npm run drills -- --short             one of each kind of fault, about 5 minutes
npm run drills -- --only HubDown      one; may be repeated
npm run drills -- --quiet 60          seconds of quiet before; ten times as many by the alerts' own clock
npm run drills -- --write             the report goes into docs/drills.md`;
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
  if (values.write === true)
    writeFileSync(at('docs/drills.md'), document(reports, [...fired], [...empty.keys()], Number(values.quiet)));
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
  // The alerts' times are shortened, a start is not: what was not there yet has fired, and is over within seconds.
  await until(clock, SETTLE_MS, async () => (await firing(WATCHED)).length === 0);
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

function machine(): string {
  const { cpu, cores, memoryGb, node, commit } = machineFacts();
  return `\`npm run drills -- --write\`, ${new Date().toISOString().slice(0, 10)}, commit ${commit}, Node ${node}, ${cores} × ${cpu}, ${memoryGb} GB.`;
}

const words = { passed: 'ok     ', failed: 'FAILED ', 'not run': 'NOT RUN' };
const seconds = (ms: number | null): string => (ms === null ? '–' : (ms / 1_000).toFixed(1));

function lineOf({ alert, outcome, firedMs, mitigatedMs, clearedMs, sent, failed, reason }: DrillReport): string {
  const times = `fires ${seconds(firedMs)} s, mitigated in ${seconds(mitigatedMs)} s, over ${seconds(clearedMs)} s later`;
  return `${words[outcome]}  ${alert.padEnd(24)} ${times}, ${failed} of ${sent} requests lost${reason === null ? '' : `\n        ${reason}`}`;
}

function document(
  reports: readonly DrillReport[],
  fired: readonly string[],
  empty: readonly string[],
  quietSeconds: number,
): string {
  const notRun = reports.filter(({ outcome }) => outcome === 'not run');
  const undrilled = readdirSync(at('docs/runbooks'))
    .map((file) => readFileSync(at(`docs/runbooks/${file}`), 'utf8'))
    .filter((text) => text.includes('\n## Drill\n'))
    .map(parseRunbook)
    .filter((runbook) => runbook.undrilled !== null);
  const rows = reports
    .filter(({ outcome }) => outcome !== 'not run')
    .map(
      ({ alert, outcome, firedMs, toldMs, mitigatedMs, clearedMs, sent, failed, others }) =>
        `| ${alert} | ${outcome === 'failed' ? '**failed**' : outcome} | ${seconds(firedMs)} | ${seconds(toldMs)} | ${seconds(mitigatedMs)} | ${seconds(clearedMs)} | ${failed} of ${sent} | ${others.join(', ') || '–'} |`,
    );
  return `# Drills

<!-- Written by \`npm run drills -- --write\`. Do not edit: drill again. -->

Each alert that a local stack can provoke, provoked by a real fault on a real one: two hubs behind NGINX over PostgreSQL and two Redis, watched by
Prometheus and Alertmanager, under steady traffic. The commands are those of the [runbooks](runbooks/README.md), word for word. The alerts' own times
(\`for\`, windows) are divided by ${FASTER}; with them as they ship, an alert comes that much later.

${machine()}

Before any fault: ${quietSeconds} s of quiet under the same traffic, ${(quietSeconds * FASTER) / 60} minutes by the alerts' own clock, then a rolling deploy with the alerts as they ship. ${fired.length === 0 ? 'Nothing fired.' : `**Fired: ${fired.join(', ')}.**`} Every query of every dashboard was put to Prometheus in the quiet and in the faults: ${empty.length === 0 ? 'each had something to show.' : `**${empty.length} had nothing to show.**`}

| alert | result | fires after, s | told by Alertmanager after, s more | mitigation took, s | over after, s more | requests lost | other alerts meanwhile |
|---|---|--:|--:|--:|--:|--:|---|
${rows.join('\n')}

Requests lost are those of the traffic that got 5xx, no answer, or none within 15 s while the fault lasted; where the fault is an upstream without a
fallback, all of them must.

${general(reports)}## Not drilled

| alert | why |
|---|---|
${notRun.map(({ alert, reason }) => `| ${alert} | not run on this machine: ${reason} |\n`).join('')}${undrilled.map(({ alert, undrilled: why }) => `| ${alert} | ${why?.replace(/^Not drilled(?: here)?: /, '')} |`).join('\n')}
`;
}

/** Faults of no part in particular, and who sees them. */
function general(reports: readonly DrillReport[]): string {
  const faults = {
    EventLoopBlocked: 'the event loop of a hub stands still for 5 s',
    HubMemoryGrows: 'a hub leaks 3 MB/s',
    UpstreamSlow: 'a provider slows from a fraction of a second to 8 s',
    ClockStepped: 'the clock is set forward by 90 s',
  };
  const rows = reports.flatMap(({ alert, firedMs, others }) => {
    const fault = Object.entries(faults).find(([name]) => name === alert)?.[1];
    return fault === undefined || firedMs === null
      ? []
      : [`| ${fault} | ${[alert, ...others].join(', ')} | ${seconds(firedMs)} |`];
  });
  if (rows.length === 0) return '';
  return `## Faults of no part in particular

| fault | seen by | first after, s |
|---|---|--:|
${rows.join('\n')}

`;
}

await main();
