/** The programs that a stack is made of, and where they are. */
import { accessSync, constants, globSync } from 'node:fs';
import path from 'node:path';

export interface Program {
  /** Debian's package. */
  readonly package: string;
  /** Where Debian puts it, beside the usual folders; the newest of several versions is taken. */
  readonly places?: readonly string[];
}

export const programs = {
  postgres: { package: 'postgresql', places: ['/usr/lib/postgresql/*/bin'] },
  initdb: { package: 'postgresql', places: ['/usr/lib/postgresql/*/bin'] },
  'redis-server': { package: 'redis-server' },
  nginx: { package: 'nginx' },
  prometheus: { package: 'prometheus' },
  'prometheus-alertmanager': { package: 'prometheus-alertmanager' },
  'prometheus-node-exporter': { package: 'prometheus-node-exporter' },
  'prometheus-redis-exporter': { package: 'prometheus-redis-exporter' },
  'prometheus-postgres-exporter': { package: 'prometheus-postgres-exporter' },
  'prometheus-nginx-exporter': { package: 'prometheus-nginx-exporter' },
  // Not one of Debian's packages: where its maker's puts it, and its archive.
  grafana: { package: 'grafana', places: ['/usr/share/grafana/bin', '/opt/grafana/bin'] },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

/** Undefined where it is not installed. */
export function findProgram(name: ProgramName): string | undefined {
  return executableIn(placesOf(programs[name]), name);
}

export function placesOf({ places = [] }: Program): string[] {
  return [...places.flatMap((place) => globSync(place).toSorted().toReversed()), ...FOLDERS];
}

export function executableIn(folders: readonly string[], name: string): string | undefined {
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

/** Throws with the one command that installs all that are missing; names in the order of `names`, files. */
export function findPrograms<Name extends ProgramName>(
  names: readonly Name[],
  find: (name: Name) => string | undefined = findProgram,
): Record<Name, string> {
  const found = names.map((name) => [name, find(name)] as const);
  const missing = found.flatMap(([name, file]) => (file === undefined ? [programs[name].package] : []));
  if (missing.length > 0) {
    const packages = [...new Set<string>(missing)].join(' ');
    throw new Error(`The stack starts programs that are not installed. Run: sudo apt-get install ${packages}`);
  }
  return Object.fromEntries(found) as Record<Name, string>;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
