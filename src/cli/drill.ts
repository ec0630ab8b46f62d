/** `drill`: carries a runbook out on the stack that runs, and tells how long each part took. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#core/clock';
import { nearestOf } from '#config/index';
import { callStack, controlFile, drill, openShell, pageOf, parseRunbook } from '#stack/index';
import type { DrillReport, Runbook, StackStatus } from '#stack/index';
import { writeJson } from './options.ts';
import { folderOf } from './stack.ts';
import type { FolderOptions } from './stack.ts';

export interface DrillOptions extends FolderOptions {
  readonly all?: boolean;
  readonly verbose?: boolean;
}

const outcomes = { passed: 'passed', failed: 'FAILED', 'not run': 'not run' };
const RUNBOOKS = fileURLToPath(new URL('../../docs/runbooks/', import.meta.url));

/** Ends with 1 where a drill did not pass. */
export async function runDrills(alerts: readonly string[], options: DrillOptions): Promise<void> {
  const known = runbooks();
  const wanted =
    options.all === true
      ? known.filter(({ undrilled }) => undrilled === null)
      : alerts.map((alert) => named(known, alert));
  if (wanted.length === 0)
    throw new Error(`Name an alert, or --all. There are: ${known.map(({ alert }) => alert).join(', ')}.`);
  const folder = folderOf(options);
  const places = await placesOf(folder);
  const shell = openShell(systemClock, folder, places.env);
  const reports: DrillReport[] = [];
  for (const runbook of wanted) {
    if (options.json !== true) console.log(`\n${runbook.alert}`);
    const report = await drill(runbook, {
      clock: systemClock,
      shell,
      ...places,
      onStep(step, output) {
        if (options.json === true) return;
        console.log(`  ${step}`);
        if (options.verbose === true && output !== undefined) console.log(output.trimEnd().replaceAll(/^/gm, '    '));
      },
    });
    reports.push(report);
    if (options.json === true) writeJson(report);
    else
      console.log(
        `  ${outcomes[report.outcome]}${report.reason === null ? '' : `: ${report.reason}`}; ${report.failed} of ${report.sent} requests failed meanwhile`,
      );
  }
  const failed = reports.filter(({ outcome }) => outcome === 'failed');
  if (failed.length > 0)
    throw new Error(
      `${failed.length} of ${reports.length} drills failed: ${failed.map(({ alert }) => alert).join(', ')}`,
    );
}

/** In the order of their names; pages of checks are none. */
function runbooks(): Runbook[] {
  return readdirSync(RUNBOOKS)
    .map((file) => readFileSync(RUNBOOKS + file, 'utf8'))
    .filter((text) => text.includes('\n## Drill\n'))
    .map(parseRunbook);
}

function named(known: readonly Runbook[], alert: string): Runbook {
  const found = known.find((each) => each.alert === alert || pageOf(each.alert) === alert);
  if (found !== undefined) return found;
  const near = nearestOf(
    alert,
    known.map((each) => each.alert),
  );
  throw new Error(`There is no runbook for "${alert}".${near === undefined ? '' : ` Did you mean ${near}?`}`);
}

/** Where the parts of the stack are. Throws where it was not started for drills. */
async function placesOf(folder: string) {
  const none = `No stack runs in ${folder}. Start one: revoagent up --drills --folder ${folder}`;
  const call = { command: 'status', words: {} };
  const { parts } = (await callStack(controlFile(folder), call, () => undefined, none)) as StackStatus;
  const urlOf = (part: string): string => {
    const url = parts.find(({ name }) => name === part)?.shown?.url;
    if (url === undefined)
      throw new Error(`The stack has no ${part}: drills need one that was started with revoagent up --drills.`);
    return url;
  };
  const [hub, prometheus, alertmanager] = [urlOf('nginx'), urlOf('prometheus'), urlOf('alertmanager')];
  const env = {
    HUB: hub,
    KEY: 'none',
    PROMETHEUS: prometheus,
    ALERTMANAGER: alertmanager,
    DATABASE: urlOf('postgres'),
    REDIS_CACHE: urlOf('redis-cache'),
    REDIS_STATE: urlOf('redis-state'),
    UPSTREAM: urlOf('drill-upstream'),
    CONFIG: `${folder}/drill/revoagent.json`,
  };
  if (!existsSync(env.CONFIG)) throw new Error(`${env.CONFIG} is missing: start the stack with revoagent up --drills`);
  return { hub, prometheus, alertmanager, env };
}
