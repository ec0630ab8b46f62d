/**
 * Reads of runs, wherever they are just now: under way in this process, waiting to be written, or stored. A key sees its own runs, an
 * admin key those of its project; to everybody else a run does not exist.
 */
import type { Caller, RunReader } from '#contract/gateway';
import type { RunRecord, WaitingRuns } from '#contract/runs';
import type { RunStore } from '#contract/stores';
import type { RunningRuns } from './runs.ts';

export interface RunReaderParts {
  readonly running: RunningRuns;
  readonly pending: WaitingRuns;
  readonly store: RunStore;
}

export function createRunReader({ running, pending, store }: RunReaderParts): RunReader {
  return {
    async get(caller, runId) {
      const here = running.get(runId) ?? pending.get(runId);
      if (here !== undefined) return mayRead(caller, here) ? here : null;
      return store.find(caller.projectId, ownerOf(caller), runId);
    },
    async list(caller, { before, limit }) {
      // What is here is read before what is stored: a run that is written meanwhile is then in both, never in neither.
      const owner = ownerOf(caller);
      const page = { before, limit };
      const here = [...pending.list(caller.projectId, owner, page), ...running.list()].filter(
        (run) => mayRead(caller, run) && (before === undefined || run.id < before),
      );
      const runs = new Map(here.map((run) => [run.id, run]));
      for (const run of await store.list(caller.projectId, owner, page)) runs.set(run.id, run);
      return [...runs.values()].toSorted((one, other) => (one.id < other.id ? 1 : -1)).slice(0, limit);
    },
  };
}

/** Undefined: every key of the project. */
function ownerOf(caller: Caller): string | null | undefined {
  return caller.scopes.has('admin') ? undefined : caller.keyId;
}

function mayRead(caller: Caller, run: RunRecord): boolean {
  return run.projectId === caller.projectId && (caller.scopes.has('admin') || run.keyId === caller.keyId);
}
