/** The gate before the hub's work, by its configuration; what it measures is this process's. */
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '#core/clock';
import type { LoadGate } from '#contract/load';
import type { Config } from '#config/index';
import { LoadShedder } from '#resilience/index';

const open: LoadGate = { admittedShare: 1, admit: () => null };

/** Ended by the stack. */
export function openLoadGate(
  stack: AsyncDisposableStack,
  { config, clock }: { readonly config: Config; readonly clock: Clock },
): LoadGate {
  const { enabled, loopDelayMs, memoryShareMax } = config.server.loadShedding;
  if (!enabled) return open;
  const shedder = new LoadShedder({ clock, memoryShare, loopDelayMs, memoryShareMax });
  stack.defer(() => shedder.close());
  return shedder;
}

/** Of the heap, or of what the container may use where it has a limit: whichever is nearer its end. */
function memoryShare(): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  const contained = process.constrainedMemory();
  // Without a limit it is 0, or more than any machine has.
  const ofContainer = contained > 0 && contained < 2 ** 50 ? process.memoryUsage.rss() / contained : 0;
  return Math.max(used / limit, ofContainer);
}
