/** Runs a block of a runbook as a person would in a shell, with the stack's addresses and a few commands that only drills have. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#core/clock';
import { environmentWith } from '#config/index';
import { shipped } from '../layout.ts';

const BLOCK_MS_MAX = 150_000;
const OUTPUT_CHARS_MAX = 20_000;

export interface Shell {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string>>;
  /** Process groups of blocks: what they left in the background is in them. */
  readonly groups: number[];
}

/** Its working folder holds the commands: `revoagent`, `load <callers> <seconds> [path]`, `in-process <part> <JavaScript>`. */
export function openShell(clock: Clock, folder: string, given: Readonly<Record<string, string>>): Shell {
  const bin = path.join(folder, 'drill', 'bin');
  mkdirSync(bin, { recursive: true, mode: 0o700 });
  const node = process.execPath;
  const worker = (name: string): string =>
    fileURLToPath(new URL(`./${name}-worker${path.extname(import.meta.url)}`, import.meta.url));
  const write = (name: string, body: string): void =>
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o700 });
  write(
    'revoagent',
    `case "$1" in status|logs|scale|deploy|down) exec ${node} ${shipped('bin', 'revoagent.js')} "$@" --folder ${folder} ;; esac\nexec ${node} ${shipped('bin', 'revoagent.js')} "$@"`,
  );
  write('load', `exec ${node} ${worker('load')} "$HUB" "$@"`);
  write('in-process', `pid=$(revoagent status --pids "$1") && exec ${node} ${worker('in-process')} "$pid" "$2"`);
  const env = environmentWith(given);
  return { clock, groups: [], env: { ...env, STACK: folder, PATH: `${bin}:${env['PATH'] ?? '/usr/bin:/bin'}` } };
}

/** A block that says this machine lacks what it needs; EX_UNAVAILABLE of sysexits.h. */
const UNAVAILABLE = 69;

/** What a drill needs is not on this machine. */
export class Unavailable extends Error {}

/** Rejects with what it printed where it fails or takes too long. What it left in the background goes on. */
export function runBlock({ clock, env, groups }: Shell, block: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', block], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    if (child.pid !== undefined) groups.push(child.pid);
    let output = '';
    const keep = (part: Buffer): void => {
      output = (output + part.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const late = clock.schedule(BLOCK_MS_MAX, () => child.kill('SIGKILL'), true);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      late.cancel();
      child.stdout.destroy();
      child.stderr.destroy();
      if (code === 0) resolve(output);
      else if (code === UNAVAILABLE) reject(new Unavailable(output.trim()));
      else reject(new Error(`${block.trim()}\nended with ${signal ?? code}:\n${output.trim()}`));
    });
  });
}

/** Ends what blocks left in the background. */
export function endLeft({ groups }: Shell): void {
  for (const group of groups.splice(0))
    try {
      process.kill(-group, 'SIGKILL');
    } catch (error) {
      // Nothing was left.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
}
