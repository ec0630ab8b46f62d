/** The page of the drills: what was provoked, who saw it, and how long each part took. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseRunbook } from '#stack/index';
import type { DrillReport } from '#stack/index';
import { machineFacts } from '../bench/machine.ts';

export interface OfAll {
  /** Alerts in the quiet before. */
  readonly fired: readonly string[];
  /** Queries of panels that never found anything. */
  readonly empty: readonly string[];
  readonly quietSeconds: number;
  /** What the alerts' own times are divided by. */
  readonly faster: number;
}

const GENERAL: Readonly<Record<string, string>> = {
  EventLoopBlocked: 'the event loop of a hub stands still for 5 s',
  HubMemoryGrows: 'a hub leaks 3 MB/s',
  UpstreamSlow: 'a provider slows from a fraction of a second to 8 s',
  ClockStepped: 'the clock is set forward by 90 s',
};

/** Of the table; its name. */
const ROW = /^\| ([A-Z]\w+) \| (?:passed|\*\*failed)/;

const at = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));

export const seconds = (ms: number | null): string => (ms === null ? '–' : (ms / 1_000).toFixed(1));

export function document(reports: readonly DrillReport[], ofAll: OfAll): string {
  const { fired, empty, quietSeconds, faster } = ofAll;
  const notRun = reports.filter(({ outcome }) => outcome === 'not run');
  const undrilled = readdirSync(at('docs/runbooks'))
    .map((file) => readFileSync(at(`docs/runbooks/${file}`), 'utf8'))
    .filter((text) => text.includes('\n## Drill\n'))
    .map(parseRunbook)
    .filter((runbook) => runbook.undrilled !== null);
  const rows = reports.filter(({ outcome }) => outcome !== 'not run').map((report) => rowOf(report));
  return `# Drills

<!-- Written by \`npm run drills -- --write\`. Do not edit: drill again. -->

Each alert that a local stack can provoke, provoked by a real fault on a real one: two hubs behind NGINX over PostgreSQL and two Redis, watched by
Prometheus and Alertmanager, under steady traffic. The commands are those of the [runbooks](runbooks/README.md), word for word. The alerts' own times
(\`for\`, windows) are divided by ${faster}; with them as they ship, an alert comes that much later.

${machine()}

Before any fault: ${quietSeconds} s of quiet under the same traffic, ${(quietSeconds * faster) / 60} minutes by the alerts' own clock, then a rolling deploy with the alerts as they ship. ${fired.length === 0 ? 'Nothing fired.' : `**Fired: ${fired.join(', ')}.**`}

${panelsLine(empty)}

| alert | result | fires after, s | told by Alertmanager after, s more | mitigation took, s | over after, s more | requests lost | other alerts meanwhile |
|---|---|--:|--:|--:|--:|--:|---|
${rows.join('\n')}

Requests lost are those of the traffic that got 5xx, no answer, or none within 15 s while the fault lasted; where the fault is an upstream without a
fallback, all of them must.

${general(reports)}## Not drilled

| alert | why |
|---|---|
${notRun.map(({ alert, reason }) => `| ${alert} | not run on this machine: ${reason} |\n`).join('')}${undrilled.map(({ alert, undrilled: why }) => `| ${alert} | ${why?.replace(/^Not drilled(?: here)?: /, '').replaceAll('](', '](runbooks/')} |`).join('\n')}
`;
}

const PANELS =
  'Every query of every dashboard was put to Prometheus in the quiet and in the faults. Without a series: ';

function panelsLine(empty: readonly string[]): string {
  return `${PANELS}${empty.length === 0 ? 'none' : `**${empty.join('; ')}**`}.`;
}

/**
 * The page with the lines of these alerts replaced; each new one says at which commit it was drilled. `empty`: queries that found nothing this
 * time; those that did now are taken from the page's.
 */
export function redrilled(page: string, reports: readonly DrillReport[], empty: readonly string[]): string {
  const { commit } = machineFacts();
  const lines = page.split('\n');
  for (const { alert } of reports.filter(({ outcome }) => outcome !== 'not run')) {
    if (lines.some((line) => line.startsWith(`| ${alert} | `))) continue;
    // One that was never drilled: where it stands in the order of names.
    const next = lines.findIndex((line) => (ROW.exec(line)?.[1] ?? '') > alert);
    lines.splice(next === -1 ? lines.findLastIndex((line) => ROW.test(line)) + 1 : next, 0, `| ${alert} | `);
  }
  return lines
    .map((line) => {
      if (line.startsWith(PANELS)) return panelsLine(empty.filter((panel) => line.includes(panel)));
      const report = reports.find(({ alert }) => line.startsWith(`| ${alert} | `));
      if (report !== undefined && report.outcome !== 'not run') return rowOf(report, ` at ${commit}`);
      const seen = reports.find(
        ({ alert }) => GENERAL[alert] !== undefined && line.startsWith(`| ${GENERAL[alert]} | `),
      );
      return seen === undefined ? line : generalRowOf(seen);
    })
    .join('\n');
}

function rowOf(report: DrillReport, where = ''): string {
  const { alert, outcome, firedMs, toldMs, mitigatedMs, clearedMs, sent, failed, others } = report;
  const times = [firedMs, toldMs, mitigatedMs, clearedMs].map(seconds).join(' | ');
  const result = outcome === 'failed' ? '**failed**' : outcome;
  return `| ${alert} | ${result}${where} | ${times} | ${failed} of ${sent} | ${others.join(', ') || '–'} |`;
}

/** Faults of no part in particular, and who sees them. */
function general(reports: readonly DrillReport[]): string {
  const rows = reports
    .filter(({ alert, firedMs }) => GENERAL[alert] !== undefined && firedMs !== null)
    .map(generalRowOf);
  if (rows.length === 0) return '';
  return `## Faults of no part in particular

| fault | seen by | first after, s |
|---|---|--:|
${rows.join('\n')}

`;
}

function generalRowOf({ alert, firedMs, others }: DrillReport): string {
  return `| ${GENERAL[alert]} | ${[alert, ...others].join(', ')} | ${seconds(firedMs)} |`;
}

function machine(): string {
  const { cpu, cores, memoryGb, node, commit } = machineFacts();
  return `\`npm run drills -- --write\`, ${new Date().toISOString().slice(0, 10)}, commit ${commit}, Node ${node}, ${cores} × ${cpu}, ${memoryGb} GB.`;
}
