/**
 * A real PostgreSQL of one test: its own folder, a free port, durable as in production. It is killed, stopped and continued with
 * real signals, and it goes with the process that started it. PostgreSQL refuses to run as root, so root starts it as another user.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { requireTool } from './tools.ts';
import type { ToolName } from './tools.ts';

export interface TestPostgres {
  readonly url: string;
  /** A new empty database on it; returns its URL. */
  createDatabase(): Promise<string>;
  /** `kill -9` of the server and all its processes: what a power cut leaves. */
  kill(): Promise<void>;
  /** SIGSTOP to every process of it: connections stay open and nothing answers. */
  stop(): void;
  cont(): void;
  /** Starts it again on the same folder and port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const START_MS = 60_000;
const KEPT = fileURLToPath(new URL('../../node_modules/.cache/ready-postgres', import.meta.url));

export async function startPostgres(): Promise<TestPostgres> {
  const user = process.getuid?.() === 0 ? unprivileged() : {};
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-pg-'));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid ?? user.uid);
  const data = path.join(folder, 'data');
  initialise(data, user);
  const port = await freePort();
  const url = `postgres://test@127.0.0.1:${port}/postgres`;
  const args = [
    '-D',
    data,
    '-p',
    String(port),
    '-h',
    '127.0.0.1',
    '-k',
    folder,
    '-c',
    'shared_buffers=32MB',
    '-c',
    'max_connections=50',
  ];
  let databases = 0;
  let server = start();

  function start(): ChildProcess {
    // Detached, so that a Ctrl-C at the terminal ends the tests and they end it.
    const child = spawn(requireTool('postgres'), args, { ...user, stdio: 'ignore', detached: true });
    child.unref();
    return child;
  }
  function signal(name: NodeJS.Signals): void {
    if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    // Every backend leads a process group of its own, so that no group holds them all. A stopped server makes no more of them.
    process.kill(server.pid, 'SIGSTOP');
    const backends = childrenOf(server.pid);
    for (const pid of name === 'SIGCONT' ? [...backends, server.pid] : [server.pid, ...backends]) send(pid, name);
  }
  async function kill(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    signal('SIGKILL');
    await ended;
  }
  const atExit = (): void => signal('SIGKILL');
  process.once('exit', atExit);
  await answers(url);
  return {
    url,
    async createDatabase() {
      const name = `test_${++databases}`;
      await runOnce(url, `create database ${name}`);
      return url.replace(/[^/]*$/, name);
    },
    kill,
    stop: () => signal('SIGSTOP'),
    cont: () => signal('SIGCONT'),
    async restart() {
      await kill();
      rmSync(path.join(data, 'postmaster.pid'), { force: true });
      server = start();
      await answers(url);
    },
    async close() {
      process.off('exit', atExit);
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // A backend may end by itself between the list and the signal.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** A cluster that no server has run on, copied from the first one that was made: initdb takes a second of a core. */
function initialise(data: string, user: { uid?: number; gid?: number }): void {
  const version = said('postgres', ['--version'], {}).replaceAll(/[^\w.]+/g, '-');
  const kept = path.join(KEPT, `${version}${user.uid ?? 'self'}`);
  if (existsSync(kept)) {
    copy(kept, data);
    return;
  }
  said('initdb', ['-D', data, '-U', 'test', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'], user);
  mkdirSync(KEPT, { recursive: true });
  // Under a name of its own until it is whole.
  const draft = `${kept}.${process.pid}`;
  copy(data, draft);
  try {
    renameSync(draft, kept);
  } catch {
    // Another test file made it meanwhile: that one is as good.
    rmSync(draft, { recursive: true, force: true });
  }
}

/** With owners and rights, which PostgreSQL looks at and Node's own copy leaves behind. */
function copy(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${from} cannot be copied: ${stderr}`);
}

function said(tool: ToolName, args: readonly string[], user: { uid?: number; gid?: number }): string {
  const { status, stdout, stderr } = spawnSync(requireTool(tool), args, { ...user, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${tool} failed: ${stderr}`);
  return stdout;
}

/** Whom root starts PostgreSQL and its pooler as: neither runs as root. */
export function unprivileged(): { uid?: number; gid?: number } {
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  const uid = id('-u');
  if (!(uid > 0))
    throw new Error(
      'PostgreSQL does not run as root, and there is no user "postgres". Run: apt-get install postgresql',
    );
  return { uid, gid: id('-g') };
}

async function runOnce(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<void> {
  const end = performance.now() + START_MS;
  for (;;) {
    try {
      await runOnce(url, 'select 1');
      return;
    } catch (error) {
      if (performance.now() > end) throw new Error('PostgreSQL did not start', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
