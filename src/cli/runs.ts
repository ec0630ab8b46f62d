/** `runs list | show`: what a running hub says of its runs. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { localRuns, runsAt } from '#hub/index';
import type { HubRuns } from '#hub/index';
import { clientKey } from '#config/index';
import { configOption, dataDirOption, jsonOption, load, writeJson } from './options.ts';
import type { StoreOptions } from './options.ts';
import { runLines, runTimeline } from './timeline.ts';

interface RunsOptions extends StoreOptions {
  readonly url?: string;
}

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
    .action((options: RunsOptions & { limit: number }) => listRuns(options));
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
    .action((id: string, options: RunsOptions) => showRun(id, options));
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > RUNS_SHOWN_MAX)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${RUNS_SHOWN_MAX}.`);
  return limit;
}

async function listRuns(options: RunsOptions & { readonly limit: number }): Promise<void> {
  const runs = await withRuns(options, (hub) => hub.list(options.limit));
  if (options.json === true) writeJson(runs);
  else if (runs.length === 0) console.log('There is no run yet that may be seen here.');
  else console.log(runLines(runs, colours()));
}

async function showRun(id: string, options: RunsOptions): Promise<void> {
  const run = await withRuns(options, (hub) => hub.show(id));
  if (options.json === true) writeJson(run);
  else console.log(runTimeline(run, colours()));
}

/** Only a terminal that can, and whose owner did not forbid it (NO_COLOR). */
function colours(): boolean {
  return process.stdout.isTTY && process.stdout.hasColors();
}

async function withRuns<T>(options: RunsOptions, act: (hub: HubRuns) => Promise<T>): Promise<T> {
  const { url } = options;
  const hub = url === undefined ? await localRuns(load(options).config) : runsAt(url, clientKey());
  try {
    return await act(hub);
  } finally {
    await hub.close();
  }
}
