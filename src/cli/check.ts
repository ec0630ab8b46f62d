/** `check`: eight rows and the mission's targets, each with the figure that was measured in this run; ends with 1 where one is not met. */
import { readFileSync } from 'node:fs';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import { checkSite, runningSite, startOwnStack } from '#stack/index';
import type { CheckReport, CheckRow, CheckTarget } from '#stack/index';
import { folderOf, showEvent } from './stack.ts';
import type { FolderOptions } from './stack.ts';
import { writeJson } from './options.ts';

export interface CheckCommand extends FolderOptions {
  readonly seconds: string;
  readonly model: string;
  readonly keyFile?: string;
  readonly own?: boolean;
}

const SECONDS_MAX = 3_600;

export async function check(options: CheckCommand): Promise<void> {
  const seconds = Number(options.seconds);
  if (!(seconds >= 1 && seconds <= SECONDS_MAX))
    throw new Error(`--seconds wants a number from 1 to ${SECONDS_MAX}, not "${options.seconds}".`);
  const onRow = (row: CheckRow): void => {
    if (options.json !== true) showRow(row);
  };
  const running = options.own === true ? null : await runningOf(options);
  if (running !== null) {
    say(options, `Checking the stack in ${folderOf(options)}. One of its hubs and a Redis will be killed.\n`);
    try {
      return end(await checkSite(running, { seconds, startMs: null, onRow }), options);
    } finally {
      running.caller.close();
    }
  }
  say(options, 'Starting a stack of its own to check.\n');
  const own = await startOwnStack(systemClock, (event) => options.json !== true && showEvent(event, options));
  try {
    say(options, '');
    end(await checkSite(own.site, { seconds, startMs: own.startMs, onRow }), options);
  } finally {
    await own.close();
  }
}

async function runningOf(options: CheckCommand): ReturnType<typeof runningSite> {
  const key = options.keyFile === undefined ? undefined : readKey(options.keyFile);
  const running = await runningSite(systemClock, folderOf(options), key, options.model);
  if (running === null && options.folder !== undefined)
    throw new Error(`No stack runs in ${folderOf(options)}. Without --folder one is started and checked.`);
  return running;
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(
      `--key-file: ${file} cannot be read: ${messageOf(error)}. Name the file that holds an admin key of the stack.`,
      { cause: error },
    );
  }
}

function say({ json }: CheckCommand, text: string): void {
  if (json !== true) console.log(text);
}

function showRow({ name, said, problems }: CheckRow): void {
  console.log(`  ${problems.length === 0 ? 'pass' : 'FAIL'}  ${name.padEnd(20)} ${said}`);
  for (const problem of problems) console.log(`        ${' '.repeat(20)} ${problem}`);
}

function showTarget({ name, value, unit, below, atLeast, passed }: CheckTarget): void {
  const wanted = below === undefined ? `≥ ${atLeast}` : `< ${below}`;
  console.log(`  ${passed ? 'pass' : 'FAIL'}  ${name.padEnd(20)} ${value.toFixed(2)} ${unit} (${wanted})`);
}

function end(report: CheckReport, options: CheckCommand): void {
  if (options.json === true) writeJson(report);
  else {
    console.log(`\nTargets, at the normal load of ${report.normalLoad}:\n`);
    report.targets.forEach(showTarget);
    console.log(report.passed ? '\nAll is well.' : '\nNot all is well.');
  }
  if (!report.passed) process.exitCode = 1;
}
