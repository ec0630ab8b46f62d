/** PostgreSQL of a stack: its own folder, the project's settings, loopback only. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Layout } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part } from '../part.ts';
import { postgresServer } from '../servers/postgres.ts';

const OWNER = 'revoagent';

export function postgresUrl(layout: Layout): string {
  return `postgres://${OWNER}@${layout.local('postgres')}/postgres`;
}

export function postgresPart(layout: Layout, files: Record<'postgres' | 'initdb', string>): Part {
  const folder = layout.in('postgres');
  const settings = layout.in('postgres', 'settings.conf');
  const server = postgresServer({
    files,
    port: layout.port('postgres'),
    folder,
    owner: OWNER,
    onMade: (data) => appendFileSync(`${data}/postgresql.conf`, `\ninclude '${settings}'\n`),
  });
  return {
    ...server,
    needs: [],
    binds: [layout.local('postgres')],
    prepare: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // A copy: PostgreSQL's user may not be able to read where this project is.
      writeFileSync(settings, readFileSync(shipped('deploy', 'postgres', 'postgresql.conf')), { mode: 0o644 });
      server.prepare?.();
    },
    shown: { what: 'PostgreSQL', url: postgresUrl(layout) },
  };
}
