/**
 * The programs that tests start, and where they are. One list serves the preparation (`scripts/prepare-tests.ts`), which installs
 * what is missing, and the tests, which name the command to run when it still is.
 */
import { accessSync, constants, globSync } from 'node:fs';
import path from 'node:path';

interface Tool {
  /** Debian's package. */
  readonly package: string;
  /** Where Debian puts it, beside the PATH; the newest of several versions is taken. */
  readonly places: readonly string[];
}

export const tools = {
  postgres: { package: 'postgresql', places: ['/usr/lib/postgresql/*/bin'] },
  initdb: { package: 'postgresql', places: ['/usr/lib/postgresql/*/bin'] },
  pgbouncer: { package: 'pgbouncer', places: ['/usr/sbin'] },
  nginx: { package: 'nginx', places: ['/usr/sbin'] },
  'redis-server': { package: 'redis-server', places: ['/usr/bin'] },
  prometheus: { package: 'prometheus', places: ['/usr/bin'] },
  promtool: { package: 'prometheus', places: ['/usr/bin'] },
  amtool: { package: 'prometheus-alertmanager', places: ['/usr/bin'] },
  'prometheus-alertmanager': { package: 'prometheus-alertmanager', places: ['/usr/bin'] },
  'prometheus-node-exporter': { package: 'prometheus-node-exporter', places: ['/usr/bin'] },
  'prometheus-redis-exporter': { package: 'prometheus-redis-exporter', places: ['/usr/bin'] },
  'prometheus-postgres-exporter': { package: 'prometheus-postgres-exporter', places: ['/usr/bin'] },
  'prometheus-nginx-exporter': { package: 'prometheus-nginx-exporter', places: ['/usr/bin'] },
  kubectl: { package: 'kubernetes-client', places: ['/usr/bin'] },
  openssl: { package: 'openssl', places: ['/usr/bin'] },
  curl: { package: 'curl', places: ['/usr/bin'] },
  chromium: { package: 'chromium', places: ['/usr/bin'] },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;

export function findTool(name: ToolName): string | undefined {
  const places = tools[name].places.flatMap((place) => globSync(place).toSorted().toReversed());
  return [...places, ...(process.env['PATH'] ?? '').split(path.delimiter)]
    .map((folder) => path.join(folder, name))
    .find(isExecutable);
}

/** Throws with the command that installs it. */
export function requireTool(name: ToolName): string {
  const file = findTool(name);
  if (file === undefined) throw new Error(`${name} is not installed. Run: sudo apt-get install ${tools[name].package}`);
  return file;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
