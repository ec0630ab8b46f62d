/** `runs list | show`: what a running hub says of its runs. */
import { localRuns, runsAt } from '#hub/index';
import type { HubRuns } from '#hub/index';
import { clientKey } from '#config/index';
import { load } from './load.ts';
import { writeJson } from './options.ts';
import type { StoreOptions } from './options.ts';
import { runLines, runTimeline } from './timeline.ts';

export interface RunsOptions extends StoreOptions {
  readonly url?: string;
}

export async function listRuns(options: RunsOptions & { readonly limit: number }): Promise<void> {
  const runs = await withRuns(options, (hub) => hub.list(options.limit));
  if (options.json === true) writeJson(runs);
  else if (runs.length === 0) console.log('There is no run yet that may be seen here.');
  else console.log(runLines(runs, colours()));
}

export async function showRun(id: string, options: RunsOptions): Promise<void> {
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
