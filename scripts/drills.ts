/**
 * `npm run drills`: starts a stack of its own, lets it serve in quiet, then provokes every fault whose alert can be drilled and carries its
 * runbook out; ends with `N passed, N failed`. With `--write` the report goes into docs/drills.md.
 *
 *   npm run drills                          all of them, about 25 minutes
 *   npm run drills -- --only HubDown        one
 *   npm run drills -- --quiet 60            seconds of quiet before; ten times as many by the alerts' own clock
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
import { emptyQueries } from './deploy/grafana/prove.ts';
import { startVisitors } from './visitors.ts';
import { startTraffic } from '../src/stack/drill/traffic.ts';
import { firing, pause } from '../src/stack/drill/watch.ts';

const at = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const OFFSET = 4_100;
const PROGRAM = at('bin/revoagent.js');
/** The alerts' own times are divided by so much. */
const FASTER = 10;

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
      quiet: { type: 'string', default: '60' },
      write: { type: 'boolean' },
    },
  });
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-drills-'));
  // PostgreSQL runs as another user.
  chmodSync(folder, 0o755);
  const stack = path.join(folder, 'stack');
  const reports: DrillReport[] = [];
  let quiet: Quiet = { fired: [], empty: [] };
  try {
    const started = await revoagent(
      ['up', '--detach', '--drills', '--folder', stack, '--port-offset', String(OFFSET)],
      (line) => console.log(line),
    );
    if (started !== 0) throw new Error('the stack did not start');
    console.log(
      `\nQuiet for ${values.quiet} s: nothing may fire, and every panel of every dashboard has something to show.`,
    );
    quiet = await inQuiet(Number(values.quiet) * 1_000);
    console.log(quiet.fired.length === 0 ? 'ok      Nothing fired.' : `FAILED  ${quiet.fired.join(', ')} fired`);
    console.log(
      quiet.empty.length === 0 ? 'ok      No panel is empty.' : `FAILED  empty:\n  ${quiet.empty.join('\n  ')}`,
    );
    const which = values.only ?? ['--all'];
    await revoagent(['drill', ...which, '--json', '--folder', stack], (line) => {
      const report = JSON.parse(line) as DrillReport;
      reports.push(report);
      console.log(lineOf(report));
    });
  } finally {
    await revoagent(['down', '--folder', stack], () => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
  if (values.write === true) writeFileSync(at('docs/drills.md'), document(reports, quiet, Number(values.quiet)));
  const outcomes = [...reports.map(({ passed }) => passed), quiet.fired.length === 0, quiet.empty.length === 0];
  const failed = outcomes.filter((passed) => !passed).length;
  console.log(`\n${outcomes.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && reports.length > 0 ? 0 : 1;
}

interface Quiet {
  /** Alerts. */
  readonly fired: readonly string[];
  /** Queries of panels that found nothing. */
  readonly empty: readonly string[];
}

/** With traffic of every kind, and no fault. */
async function inQuiet(ms: number): Promise<Quiet> {
  const seen = new Set<string>();
  const watched = {
    clock,
    prometheus: `http://127.0.0.1:${9_090 + OFFSET}`,
    alertmanager: `http://127.0.0.1:${9_093 + OFFSET}`,
  };
  const hub = `http://127.0.0.1:${8_080 + OFFSET}`;
  const traffic = startTraffic(clock, hub);
  const visitors = await startVisitors(hub);
  const endsAt = clock.now() + ms;
  while (clock.now() < endsAt) {
    for (const name of await firing(watched)) seen.add(name);
    await pause(clock, 1_000);
  }
  const empty = await emptyQueries(watched.prometheus);
  visitors.stop();
  traffic.stop();
  return { fired: [...seen], empty };
}

function machine(): string {
  const { cpu, cores, memoryGb, node, commit } = machineFacts();
  return `\`npm run drills -- --write\`, ${new Date().toISOString().slice(0, 10)}, commit ${commit}, Node ${node}, ${cores} × ${cpu}, ${memoryGb} GB.`;
}

const seconds = (ms: number | null): string => (ms === null ? '–' : (ms / 1_000).toFixed(1));

function lineOf({ alert, passed, firedMs, mitigatedMs, clearedMs, sent, failed, reason }: DrillReport): string {
  const times = `fires ${seconds(firedMs)} s, mitigated in ${seconds(mitigatedMs)} s, over ${seconds(clearedMs)} s later`;
  return `${passed ? 'ok    ' : 'FAILED'}  ${alert.padEnd(24)} ${times}, ${failed} of ${sent} requests lost${reason === null ? '' : `\n        ${reason}`}`;
}

function document(reports: readonly DrillReport[], { fired, empty }: Quiet, quietSeconds: number): string {
  const undrilled = readdirSync(at('docs/runbooks'))
    .map((file) => readFileSync(at(`docs/runbooks/${file}`), 'utf8'))
    .filter((text) => text.includes('\n## Drill\n'))
    .map(parseRunbook)
    .filter((runbook) => runbook.undrilled !== null);
  const rows = reports.map(
    ({ alert, passed, firedMs, toldMs, mitigatedMs, clearedMs, sent, failed, others }) =>
      `| ${alert} | ${passed ? 'passed' : '**failed**'} | ${seconds(firedMs)} | ${seconds(toldMs)} | ${seconds(mitigatedMs)} | ${seconds(clearedMs)} | ${failed} of ${sent} | ${others.join(', ') || '–'} |`,
  );
  return `# Drills

<!-- Written by \`npm run drills -- --write\`. Do not edit: drill again. -->

Each alert that a local stack can provoke, provoked by a real fault on a real one: two hubs behind NGINX over PostgreSQL and two Redis, watched by
Prometheus and Alertmanager, under steady traffic. The commands are those of the [runbooks](runbooks/README.md), word for word. The alerts' own times
(\`for\`, windows) are divided by ${FASTER}; with them as they ship, an alert comes that much later.

${machine()}

Before any fault: ${quietSeconds} s of quiet under the same traffic, ${(quietSeconds * FASTER) / 60} minutes by the alerts' own clock. ${fired.length === 0 ? 'Nothing fired.' : `**Fired: ${fired.join(', ')}.**`} Every panel of every dashboard was asked of Prometheus then: ${empty.length === 0 ? 'each had something to show.' : `**${empty.length} had nothing to show.**`}

| alert | result | fires after, s | told by Alertmanager after, s more | mitigation took, s | over after, s more | requests lost | other alerts meanwhile |
|---|---|--:|--:|--:|--:|--:|---|
${rows.join('\n')}

Requests lost are those of the traffic that got 5xx, no answer, or none within 15 s while the fault lasted; where the fault is an upstream without a
fallback, all of them must.

## Not drilled

| alert | why |
|---|---|
${undrilled.map(({ alert, undrilled: why }) => `| ${alert} | ${why?.replace(/^Not drilled(?: here)?: /, '')} |`).join('\n')}
`;
}

await main();
