/** PostgreSQL of a stack: its own folder, the project's settings, loopback only. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { environmentWith } from '#config/index';
import type { Layout } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part, User } from '../part.ts';
import { repliesTo } from '../probes.ts';

const USER = 'revoagent';

export function postgresUrl(layout: Layout): string {
  return `postgres://${USER}@${layout.local('postgres')}/postgres`;
}

export function postgresPart(layout: Layout, files: Record<'postgres' | 'initdb', string>): Part {
  const [folder, data] = [layout.in('postgres'), layout.in('postgres', 'data')];
  const settings = layout.in('postgres', 'settings.conf');
  const user = process.getuid?.() === 0 ? userNamed('postgres') : undefined;
  return {
    name: 'postgres',
    needs: [],
    command: [files.postgres, '-D', data, '-p', String(layout.port('postgres')), '-h', '127.0.0.1', '-k', folder],
    env: environmentWith({}),
    user,
    binds: [layout.local('postgres')],
    prepare: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (user !== undefined) chownSync(folder, user.uid, user.gid);
      // A copy: PostgreSQL's user may not be able to read where this project is.
      writeFileSync(settings, readFileSync(shipped('deploy', 'postgres', 'postgresql.conf')), { mode: 0o644 });
      if (existsSync(`${data}/PG_VERSION`)) return;
      const words = ['-D', data, '-U', USER, '--auth=trust', '-E', 'UTF8', '--locale=C'];
      const { status, stderr } = spawnSync(files.initdb, words, { ...user, encoding: 'utf8' });
      if (status !== 0)
        throw new Error(
          `initdb could not make ${data}: ${firstProblemOf(stderr)}. It runs as the user "postgres", who must get there: another --folder?`,
        );
      appendFileSync(`${data}/postgresql.conf`, `\ninclude '${settings}'\n`);
    },
    isReady: (signal) => repliesTo(layout.local('postgres'), startup(), /^R/, signal),
    readyMs: 60_000,
    // Fast shutdown: clients are cut, what is committed stays.
    stopSignal: 'SIGINT',
    stopMs: 20_000,
    shown: { what: 'PostgreSQL', url: postgresUrl(layout) },
  };
}

/** Of all that it says, what went wrong first. */
function firstProblemOf(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return lines.find((line) => /\b(?:FATAL|ERROR|error):/.test(line)) ?? lines.at(-1) ?? 'it does not say why';
}

/** A whole start of a session: while the server recovers it answers with an error instead of "R". */
function startup(): string {
  const words = ['user', USER, 'database', 'postgres', ''].map((word) => `${word}\0`).join('');
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + words.length, 0);
  // Protocol 3.0.
  head.writeInt32BE(196_608, 4);
  return head.toString('latin1') + words;
}

function userNamed(name: string): User {
  const id = (flag: string): number => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout);
  const [uid, gid] = [id('-u'), id('-g')];
  if (!(uid > 0))
    throw new Error(
      `PostgreSQL does not run as root, and there is no user "${name}" to run it as. Run: sudo apt-get install postgresql`,
    );
  return { uid, gid };
}
