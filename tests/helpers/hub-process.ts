/**
 * A real hub in a process of its own, started the way a person starts it, for the tests that kill, stop, signal or starve it.
 * Its data lives in a folder that goes when the test ends; it binds port 0 and is asked where it listens.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readyDatabase } from './ready-database.ts';
import type { Cleanup } from './suite.ts';

const BIN = new URL('../../bin/revoagent.js', import.meta.url).pathname;
const MAIN = new URL('../../src/cli/main.ts', import.meta.url).href;
const START_MS = 120_000;
/** An Ollama on the machine that runs the tests is none of theirs. */
const NO_OLLAMA = { OLLAMA_HOST: '127.0.0.1:1' };
/** Of this process's environment only what a program needs to be found, and what was compiled before. */
const RUNTIME = {
  PATH: process.env['PATH'] ?? '',
  ...(process.env['NODE_COMPILE_CACHE'] === undefined ? {} : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
};

export interface HubProcess {
  readonly url: string;
  readonly process: ChildProcess;
  readonly dataDir: string;
  readonly configFile: string;
  /** Everything it wrote so far, both streams. */
  output(): string;
  /** Sends the signal and resolves with the exit code (null when a signal ended it). */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface HubProcessOptions {
  /** Merged over `{server: {port: 0}, storage: {dataDir}}`. */
  config?: Record<string, unknown>;
  env?: Record<string, string>;
  /** Where an earlier process kept its data, to start on it again. */
  dataDir?: string;
}

/**
 * Starts a hub and waits until it says where it listens; throws with its output when it ends first. An embedded database is there
 * from an earlier start: what a first start does has tests of its own.
 */
export async function startHubProcess(t: Cleanup, options: HubProcessOptions = {}): Promise<HubProcess> {
  const dataDir = options.dataDir ?? (await temporaryFolder(t));
  const configFile = path.join(dataDir, 'revoagent.json');
  const config = withDefaults(options.config ?? {}, path.join(dataDir, 'data'));
  if (config.storage['url'] === undefined) await readyDatabase(path.join(dataDir, 'data'));
  await writeFile(configFile, JSON.stringify(config));
  const child = spawn(process.execPath, [BIN, 'serve', '--json', '--config', configFile], {
    env: { ...RUNTIME, HOME: dataDir, ...NO_OLLAMA, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  t.after(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  const url = await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode}:\n${output}`);
      return /"url":"(http:[^"]+)"/.exec(output)?.[1];
    },
    START_MS,
    () => `the hub did not start:\n${output}`,
  );
  return {
    url,
    process: child,
    dataDir,
    configFile,
    output: () => output,
    end: (signal) => endProcess(child, signal),
  };
}

export async function temporaryFolder(t: Cleanup): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-test-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the CLI to its end. */
export function runCli(
  args: readonly string[],
  options?: { env?: Record<string, string>; cwd?: string; withinMs?: number },
): Promise<CliEnd> {
  return runNode([BIN, ...args], options);
}

/**
 * Several command lines that end by themselves, one after the other in one process: what each says and would end with. That a process ends
 * with it too is proved by those that are run one a process.
 */
export async function runCliLines(
  lines: readonly (readonly string[])[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<CliEnd[]> {
  const script = `import { main } from ${JSON.stringify(MAIN)};
    for (const words of ${JSON.stringify(lines)}) {
      process.exitCode = 0;
      await main(words);
      process.stdout.write('\\0');
      process.stderr.write(\`\\0\${process.exitCode}\\0\`);
    }
    process.exitCode = 0;`;
  const { code, stdout, stderr } = await runNode(['--input-type=module', '--eval', script], options);
  if (code !== 0) throw new Error(`the command lines ended with ${code}:\n${stderr}`);
  const outputs = stdout.split('\0');
  const errors = stderr.split('\0');
  return lines.map((_, index) => ({
    code: Number(errors[index * 2 + 1]),
    stdout: outputs[index] ?? '',
    stderr: errors[index * 2] ?? '',
  }));
}

/** Runs Node with these arguments, and nothing of this process's environment but its path. */
export async function runNode(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; withinMs?: number } = {},
): Promise<CliEnd> {
  const child = spawn(process.execPath, args, {
    env: { ...RUNTIME, ...NO_OLLAMA, ...options.env },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    // One that does not end is killed, and its test sees code null.
    timeout: options.withinMs ?? START_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, stdout, stderr };
}

/** Asks until the answer is neither undefined nor null; fails after `withinMs` with what `otherwise` says. */
export async function waitFor<T>(
  ask: () => T | undefined | null | Promise<T | undefined | null>,
  withinMs = 30_000,
  otherwise: () => string = () => 'it did not happen in time',
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null) return answer;
    if (performance.now() > end) throw new Error(otherwise());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** As `startHubProcess` configures a hub where its test does not. */
export function withDefaults(config: Record<string, unknown>, dataDir: string) {
  const server = { port: 0, ...asRecord(config['server']) };
  const storage: Record<string, unknown> = { dataDir, ...asRecord(config['storage']) };
  return { ...config, server, storage };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.exitCode);
      return;
    }
    child.once('exit', resolve);
    child.kill(signal);
  });
}
