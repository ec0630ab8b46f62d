/**
 * Loads the guardrails that routes name. The one place that imports what only the configuration knows: the operator's own code, run with
 * the hub's rights. A file that was changed is loaded anew at a reload.
 */
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { Canceller } from '#core/cancel';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import { within } from '#core/within';
import type { RouteConfig } from '#config/index';
import type { Guardrail } from '#contract/guardrail';

/** By path, each once. Throws an `Error` that names the file and what is wrong with it. */
export async function loadGuardrails(
  routes: readonly RouteConfig[],
  clock: Clock,
): Promise<ReadonlyMap<string, Guardrail>> {
  const paths = new Set(routes.flatMap(({ guardrail }) => guardrail?.module ?? []));
  const loaded = new Map<string, Guardrail>();
  for (const path of paths) {
    const { before, after } = await importFresh(path, clock);
    if (before === undefined && after === undefined)
      throw new Error(`The guardrail ${path} exports neither before nor after.`);
    for (const [name, exported] of Object.entries({ before, after }))
      if (exported !== undefined && typeof exported !== 'function')
        throw new Error(`The guardrail ${path} exports ${name}, which is no function.`);
    loaded.set(path, { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) });
  }
  return loaded;
}

async function importFresh(path: string, clock: Clock): Promise<Guardrail> {
  try {
    const { mtimeMs } = await stat(path);
    const url = pathToFileURL(path);
    // The runtime keeps a module by its address: another time of change is another address.
    url.searchParams.set('changed', String(mtimeMs));
    // What a module really exports is looked at above; what its functions return, at every call.
    // One that waits for ever would hold up every reload after it.
    return await within({ clock, limitMs: limits.guardrailLoadMs, signal: new Canceller().signal }, () =>
      import(url.href).then((module: Guardrail) => module),
    );
  } catch (error) {
    throw new Error(`The guardrail ${path} cannot be loaded: ${messageOf(error)}`, { cause: error });
  }
}
