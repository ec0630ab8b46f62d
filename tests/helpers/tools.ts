/**
 * The programs that tests start, and where they are: those of a stack, and some more. One list serves the preparation
 * (`scripts/prepare-tests.ts`), which installs what is missing, and the tests, which name the command to run when it still is.
 */
import path from 'node:path';
import { executableIn, placesOf, programs } from '#stack/programs';
import type { Program } from '#stack/programs';

const { grafana: _none, ...ofStack } = programs;

export const tools = {
  ...ofStack,
  pgbouncer: { package: 'pgbouncer' },
  promtool: { package: 'prometheus' },
  amtool: { package: 'prometheus-alertmanager' },
  kubectl: { package: 'kubernetes-client' },
  openssl: { package: 'openssl' },
  curl: { package: 'curl' },
  chromium: { package: 'chromium' },
} as const satisfies Record<string, Program>;

export type ToolName = keyof typeof tools;

export function findTool(name: ToolName): string | undefined {
  return executableIn([...placesOf(tools[name]), ...(process.env['PATH'] ?? '').split(path.delimiter)], name);
}

/** Throws with the command that installs it. */
export function requireTool(name: ToolName): string {
  const file = findTool(name);
  if (file === undefined) throw new Error(`${name} is not installed. Run: sudo apt-get install ${tools[name].package}`);
  return file;
}
