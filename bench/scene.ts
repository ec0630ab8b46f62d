/** One hub in its governed lane before an upstream that answers at once, with its database, and the loads that drive it. */
import { freePort } from '../tests/helpers/free-port.ts';
import type { Lab } from './lab.ts';
import { chatBody } from './load/chat.ts';
import { createLoads } from './load/loads.ts';
import type { Loads } from './load/loads.ts';
import { startGovernedHub } from './servers/hub.ts';
import { startNginxUpstream } from './servers/nginx.ts';
import { startPostgres } from './servers/postgres.ts';
import type { Subject } from './servers/subject.ts';

export interface Scene {
  readonly upstreamPort: number;
  readonly databaseUrl: string;
  readonly governed: Subject;
  readonly loads: Loads;
  /** Holds one ordinary request. */
  readonly bodyFile: string;
}

/** Everything ends with the lab. */
export async function createScene(lab: Lab): Promise<Scene> {
  const upstreamPort = await freePort();
  await startNginxUpstream(lab, upstreamPort);
  const databaseUrl = await startPostgres(lab);
  const governed = await startGovernedHub(lab, upstreamPort, databaseUrl);
  const loads = await createLoads(lab);
  return { upstreamPort, databaseUrl, governed, loads, bodyFile: await loads.keepBody('chat.json', chatBody()) };
}
