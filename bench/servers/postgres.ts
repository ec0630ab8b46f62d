/** A real PostgreSQL for the governed lane, fresh for each benchmark, on the load side, with its settings as installed. */
import { chmod } from 'node:fs/promises';
import { systemClock } from '#core/clock';
import { saysYes } from '#stack/probes';
import { findPrograms } from '#stack/programs';
import { postgresServer } from '#stack/servers/postgres';
import { freePort } from '../../tests/helpers/free-port.ts';
import { until } from '../lab.ts';
import type { Lab } from '../lab.ts';

const OWNER = 'bench';
const ANSWER_MS = 2_000;
/** Hubs write behind their answers; in production it stands on a machine of its own. */
const YIELDS = true;

/** Resolves with its URL once it answers. */
export async function startPostgres(lab: Lab): Promise<string> {
  const port = await freePort();
  const server = postgresServer({
    files: findPrograms(['postgres', 'initdb']),
    port,
    folder: lab.file('postgres'),
    owner: OWNER,
    initdb: ['--no-sync'],
  });
  // The lab belongs to root alone; the server has to reach its own folder in it.
  if (server.user !== undefined) await chmod(lab.folder, 0o711);
  server.prepare?.();
  const running = await lab.startServer(server, 'load', YIELDS);
  await until(
    () => saysYes(systemClock, (signal) => server.isReady(signal), ANSWER_MS),
    async () => `PostgreSQL did not start: ${await running.logTail()}`,
  );
  return `postgres://${OWNER}@127.0.0.1:${port}/postgres`;
}
