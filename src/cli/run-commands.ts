/** The words of `runs list | show`. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { configOption, dataDirOption, jsonOption } from './options.ts';
import type { RunsOptions } from './runs.ts';

const RUNS_SHOWN = 20;
/** A page of the API. */
const RUNS_SHOWN_MAX = 200;

const urlOption = (): Option =>
  new Option(
    '-u, --url <address>',
    'a hub elsewhere; without it, the one that runs on this configuration’s data folder',
  ).env('REVOAGENT_URL');

export function addRunCommands(root: Command): void {
  const runs = root
    .command('runs')
    .description('see what became of requests, attempt by attempt')
    .addHelpText(
      'after',
      '\nExamples:\n  revoagent runs list --limit 5\n  revoagent runs show run_01k0000000000000000000000000',
    );
  runs
    .command('list')
    .description('list runs, newest first')
    .addOption(new Option('-l, --limit <number>', 'how many, at most').argParser(readLimit).default(RUNS_SHOWN))
    .addOption(urlOption())
    .addOption(configOption())
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  revoagent runs list --limit 5
  revoagent runs list --json | jq -r '.[] | select(.status == "failed") | .id'
  REVOAGENT_KEY=rvk_… revoagent runs list --url https://hub.example.com`,
    )
    .action(async (options: RunsOptions & { limit: number }) => (await import('./runs.ts')).listRuns(options));
  runs
    .command('show')
    .description('explain a run: each attempt, why it was made, how it ended and what came next')
    .argument('<id>', 'from the answer’s header x-revoagent-run, or from "runs list"')
    .addOption(urlOption())
    .addOption(configOption())
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  revoagent runs show run_01k0000000000000000000000000
  REVOAGENT_KEY=rvk_… revoagent runs show run_01k0000000000000000000000000 --url https://hub.example.com`,
    )
    .action(async (id: string, options: RunsOptions) => (await import('./runs.ts')).showRun(id, options));
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > RUNS_SHOWN_MAX)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${RUNS_SHOWN_MAX}.`);
  return limit;
}
