/** A PostgreSQL on one port of this machine, with a cluster of its own. It refuses to be root's: root starts it as the user `postgres`. */
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { environmentWith } from '#config/index';
import type { Server, User } from '../part.ts';
import { repliesTo } from '../probes.ts';

export interface PostgresServerOptions {
  readonly files: Readonly<Record<'postgres' | 'initdb', string>>;
  readonly port: number;
  /** Holds the cluster in `data`, and the socket. */
  readonly folder: string;
  /** The database's superuser. */
  readonly owner: string;
  /** Settings as on its command line, `name=value`. */
  readonly settings?: readonly string[];
  /** Words for initdb, where there is no cluster yet. */
  readonly initdb?: readonly string[];
  /** Called when the cluster was made. */
  readonly onMade?: (data: string) => void;
}

export function postgresServer(options: PostgresServerOptions): Server {
  const { files, port, folder, owner, settings = [], initdb = [], onMade } = options;
  const data = path.join(folder, 'data');
  const user = databaseUser();
  const words = settings.flatMap((setting) => ['-c', setting]);
  return {
    name: 'postgres',
    command: [files.postgres, '-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder, ...words],
    env: environmentWith({}),
    user,
    prepare: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (user !== undefined) chownSync(folder, user.uid, user.gid);
      if (existsSync(path.join(data, 'PG_VERSION'))) return;
      makeCluster(files.initdb, data, ['-U', owner, ...initdb], user);
      onMade?.(data);
    },
    isReady: (signal) => repliesTo(`127.0.0.1:${port}`, startup(owner), /^R/, signal),
    readyMs: 60_000,
    // Fast shutdown: clients are cut, what is committed stays.
    stopSignal: 'SIGINT',
    stopMs: 20_000,
  };
}

function makeCluster(initdb: string, data: string, more: readonly string[], user: User | undefined): void {
  const words = ['-D', data, '--auth=trust', '-E', 'UTF8', '--locale=C', ...more];
  const { status, stderr } = spawnSync(initdb, words, { ...user, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(
      `initdb could not make ${data}: ${firstProblemOf(stderr)}. It runs as the user "postgres", who must get there: another --folder?`,
    );
}

/** Whom root starts it as; undefined where this is not root. */
export function databaseUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  const [uid, gid] = [id('-u'), id('-g')];
  if (!(uid > 0))
    throw new Error(
      'PostgreSQL does not run as root, and there is no user "postgres" to run it as. Run: sudo apt-get install postgresql',
    );
  return { uid, gid };
}

/** Of all that it says, what went wrong first. */
function firstProblemOf(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return lines.find((line) => /\b(?:FATAL|ERROR|error):/.test(line)) ?? lines.at(-1) ?? 'it does not say why';
}

/** A whole start of a session: while the server recovers it answers with an error instead of "R". */
function startup(owner: string): string {
  const words = ['user', owner, 'database', 'postgres', ''].map((word) => `${word}\0`).join('');
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + words.length, 0);
  // Protocol 3.0.
  head.writeInt32BE(196_608, 4);
  return head.toString('latin1') + words;
}
