/** A real PostgreSQL for the governed lane, fresh for each benchmark, on the load side, with its settings as installed. */
import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { freePort, isInstalled, until } from '../lab.ts';
import type { Lab } from '../lab.ts';

/** Resolves with its URL once it answers. */
export async function startPostgres(lab: Lab): Promise<string> {
  for (const program of ['initdb', 'postgres', 'pg_isready'])
    if (!(await isInstalled(program)))
      throw new Error(`The governed lane writes to PostgreSQL, and ${program} is not on the path: install its server.`);
  const data = lab.file('postgres-data');
  const port = await freePort();
  const user = unprivilegedUser();
  await mkdir(data, { mode: 0o700 });
  if (user !== undefined) {
    await chown(data, user.uid, user.gid);
    // The lab belongs to root alone; the server has to reach its own folder in it.
    await chmod(lab.folder, 0o711);
  }
  const common = { side: 'load', ...(user === undefined ? {} : { user }) } as const;
  await lab.run({
    ...common,
    name: 'initdb',
    file: 'initdb',
    args: ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
  });
  const server = await lab.start({
    ...common,
    name: 'postgres',
    // Hubs write behind their answers; in production it stands on a machine of its own.
    yields: true,
    file: 'postgres',
    args: ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    // Fast shutdown: it ends sessions instead of waiting for them.
    stopSignal: 'SIGINT',
  });
  const ready = {
    name: 'pg_isready',
    file: 'pg_isready',
    args: ['-h', '127.0.0.1', '-p', String(port)],
    side: 'load',
  } as const;
  await until(
    () =>
      lab.run(ready).then(
        () => true,
        () => false,
      ),
    async () => `PostgreSQL did not start: ${await server.logTail()}`,
  );
  return `postgres://bench@127.0.0.1:${port}/postgres`;
}

/** PostgreSQL refuses to run as root, where it is given the account its package made. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return { uid: postgresId('-u'), gid: postgresId('-g') };
}

function postgresId(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
}
