/**
 * The place one benchmark runs in: a temporary folder, a core for what is measured and the other cores for everything else,
 * and every process it starts. Promises that nothing it made is left behind, also when it is interrupted. Knows no server.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '#stack/part';
import { executableIn } from '#stack/programs';

const STOP_MS = 10_000;
const READY_MS = 60_000;
const POLL_MS = 50;
const LOG_TAIL_CHARS = 4_000;
const QUIET_SAMPLE_MS = 250;
const QUIET_WITHIN_MS = 5_000;
const QUIET_IDLE_SHARE = 0.9;
const AUTOGROUP = '/proc/sys/kernel/sched_autogroup_enabled';

/** `measured` is the one core under test; `load` are all others: load generator, upstream, database. */
export type Side = 'measured' | 'load';

export interface Command {
  /** Names its log file and its error messages. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly side: Side;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Gets the core when no other of its side wants it: what may happen later must not delay those who measure. */
  readonly yields?: boolean;
  /** What ends it in good order; SIGTERM unless told. */
  readonly stopSignal?: NodeJS.Signals;
}

export interface Running {
  readonly pid: number;
  /** The end of what it wrote to either stream. */
  logTail(): Promise<string>;
  /** Asks it to end, ends it by force after 10 s, and resolves when it is gone. */
  stop(): Promise<void>;
}

export interface Lab extends AsyncDisposable {
  readonly folder: string;
  /** False where there is one core or no `taskset`: then load and server disturb each other. */
  readonly pinned: boolean;
  /** A path inside the folder. */
  file(name: string): string;
  /** Starts a process; both its streams go to a file, so that reading its log costs the measurement nothing. */
  start(command: Command): Promise<Running>;
  /** A server of the stack's, whose files are there, as a process of the lab. */
  startServer(
    server: Pick<Server, 'name' | 'command' | 'user' | 'stopSignal'>,
    side: Side,
    yields?: boolean,
  ): Promise<Running>;
  /** Runs a command to its end and returns what it printed; throws with its errors when it fails. */
  run(command: Command): Promise<string>;
  /** To the load's side, where a thread then yields as a command that does. */
  moveAside(thread: number): Promise<void>;
}

export async function createLab(): Promise<Lab> {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-bench-'));
  const cores = availableParallelism() > 1 && isInstalled('taskset') ? coreLists() : null;
  const yielding = isInstalled('chrt') ? ['chrt', '--idle', '0'] : ['nice', '-n', '19'];
  const running = new Set<Running>();
  const groupAgain = await ungroupSessions();

  function pin({ file, args, side, yields = false }: Command): [string, string[]] {
    const words = yields ? [...yielding, file, ...args] : [file, ...args];
    const [first = file, ...rest] = cores === null ? words : ['taskset', '-c', cores[side], ...words];
    return [first, rest];
  }

  async function close(): Promise<void> {
    // In reverse, so that a server ends before the database it writes to.
    for (const each of [...running].toReversed()) await each.stop();
    await groupAgain();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  function interrupted(): void {
    void close().finally(() => process.exit(130));
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);

  const lab: Lab = {
    folder,
    pinned: cores !== null,
    file: (name) => path.join(folder, name),
    async start(command) {
      const logFile = path.join(folder, `${command.name}.log`);
      const child = await launch(pin(command), command, logFile);
      const started = handleOf(child, command, logFile, () => running.delete(started));
      running.add(started);
      return started;
    },
    startServer: ({ name, command: [file, ...args], user, stopSignal }, side, yields = false) =>
      lab.start({ name, file, args, side, yields, stopSignal, ...(user === undefined ? {} : { user }) }),
    run: (command) => runToEnd(pin(command), command),
    async moveAside(thread) {
      if (cores === null) return;
      const id = String(thread);
      await lab.run({ name: 'move', file: 'taskset', args: ['-p', '-c', cores.load, id], side: 'load' });
      const [file, ...args] = isInstalled('chrt')
        ? ['chrt', '--idle', '-p', '0', id]
        : ['renice', '-n', '19', '-p', id];
      await lab.run({ name: 'yield', file, args, side: 'load' });
    },
    async [Symbol.asyncDispose]() {
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      await close();
    },
  };
  return lab;
}

/**
 * Linux may share a core among sessions first (sched_autogroup), and PostgreSQL makes a session of each connection: what yields inside its
 * session would still get as much as those who measure, in slices of milliseconds. Takes root. Returns what sets it back.
 */
async function ungroupSessions(): Promise<() => Promise<void>> {
  try {
    const before = await readFile(AUTOGROUP, 'utf8');
    await writeFile(AUTOGROUP, '0');
    return () => writeFile(AUTOGROUP, before);
  } catch {
    return () => Promise.resolve();
  }
}

function coreLists(): Record<Side, string> {
  // Core 0 takes most interrupts, so what is measured gets core 1.
  const last = availableParallelism() - 1;
  return { measured: '1', load: last > 1 ? `0,2-${last}` : '0' };
}

/** Only what a program needs to run: a provider key of the developer must not become part of a measurement. */
function environmentOf(command: Command): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', NODE_ENV: 'production', ...command.env };
}

async function launch([file, args]: [string, string[]], command: Command, logFile: string): Promise<ChildProcess> {
  const log = openSync(logFile, 'a');
  try {
    const child = spawn(file, args, {
      env: environmentOf(command),
      stdio: ['ignore', log, log],
      // Its own process group: Ctrl-C reaches the lab alone, which ends everything in order.
      detached: true,
      ...command.user,
    });
    await once(child, 'spawn');
    return child;
  } finally {
    closeSync(log);
  }
}

function handleOf(child: ChildProcess, command: Command, logFile: string, gone: () => void): Running {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command.name} did not start`);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.once('exit', gone);
  return {
    pid,
    logTail: async () => (await readFile(logFile, 'utf8')).slice(-LOG_TAIL_CHARS),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(command.stopSignal ?? 'SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(force);
    },
  };
}

async function runToEnd([file, args]: [string, string[]], command: Command): Promise<string> {
  const child = spawn(file, args, {
    env: environmentOf(command),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...command.user,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0)
    throw new Error(`${command.name} ended with ${code}: ${(stderr || stdout).slice(-LOG_TAIL_CHARS).trim()}`);
  return stdout;
}

/** Whether a program of that name is on the path. */
export function isInstalled(program: string): boolean {
  return executableIn((process.env['PATH'] ?? '').split(path.delimiter), program) !== undefined;
}

/** Asks until the answer is true; after 60 s throws what `otherwise` says. */
export async function until(ask: () => Promise<boolean>, otherwise: () => Promise<string>): Promise<void> {
  const end = performance.now() + READY_MS;
  while (!(await ask())) {
    if (performance.now() > end) throw new Error(await otherwise());
    await sleep(POLL_MS);
  }
}

/**
 * Waits until the machine rests, at most 5 s: rows that one server still writes behind its answers must not be paid for by
 * the next one's measurement.
 */
export async function untilQuiet(): Promise<void> {
  const end = performance.now() + QUIET_WITHIN_MS;
  let before = cpuTimes();
  while (performance.now() < end) {
    await sleep(QUIET_SAMPLE_MS);
    const now = cpuTimes();
    if ((now.idle - before.idle) / (now.total - before.total) >= QUIET_IDLE_SHARE) return;
    before = now;
  }
}

function cpuTimes(): { idle: number; total: number } {
  let idle = 0;
  let total = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idle, total };
}
