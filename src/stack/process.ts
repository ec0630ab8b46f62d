/**
 * One started process: its output goes to a file, it is in a group of its own (so that a Ctrl-C at the terminal reaches the supervisor
 * alone, which ends them in order), and a signal goes to the whole group.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { messageOf } from '#core/errors';
import type { Server } from './part.ts';

const TAIL_LINES = 15;

export class StackProcess {
  readonly pid: number;
  /** How it ended, in words. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #running = true;

  /** Throws where the program cannot be started. */
  static async start({ name, command: [file, ...words], env, user }: Server, log: string): Promise<StackProcess> {
    const output = openSync(log, 'a', 0o600);
    try {
      const child = spawn(file, words, { env: { ...env }, stdio: ['ignore', output, output], detached: true, ...user });
      const { pid } = await spawned(child);
      return new StackProcess(child, pid);
    } catch (error) {
      throw new Error(`${name}: ${file} cannot be started: ${messageOf(error)}`, { cause: error });
    } finally {
      closeSync(output);
    }
  }

  private constructor(child: ChildProcess, pid: number) {
    this.pid = pid;
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#running = false;
        // What a killed one leaves, such as nginx's workers with their port.
        this.kill();
        resolve(signal === null ? `ended with ${code}` : `was ended by ${signal}`);
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whether this process has to live for as long. */
  keepsAlive(keeps: boolean): void {
    if (keeps) this.#child.ref();
    else this.#child.unref();
  }

  signal(name: NodeJS.Signals): void {
    if (this.#running) process.kill(this.pid, name);
  }

  /** With everything it has started. */
  kill(): void {
    for (const target of [-this.pid, this.pid]) {
      try {
        process.kill(target, 'SIGKILL');
      } catch (error) {
        // Gone already.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
  }
}

/** The last lines of a log, for an error. */
export function tailOf(log: string): string {
  if (!existsSync(log)) return '';
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}

function spawned(child: ChildProcess): Promise<{ pid: number }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      child.off('error', reject);
      if (child.pid === undefined) reject(new Error('it has no process id'));
      else resolve({ pid: child.pid });
    });
  });
}
