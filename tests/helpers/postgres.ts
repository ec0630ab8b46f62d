/**
 * A real PostgreSQL of one test: its own folder, a free port, durable as in production. It is killed, stopped and continued with
 * real signals, and it goes with the process that started it. PostgreSQL refuses to run as root, so root starts it as another user.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { systemClock } from '#core/clock';
import { databaseUser, postgresServer } from '#stack/servers/postgres';
import { startServer } from '#stack/servers/start';
import { freePort } from './free-port.ts';
import { requireTool } from './tools.ts';

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

const KEPT = fileURLToPath(new URL('../../node_modules/.cache/ready-postgres', import.meta.url));

export async function startPostgres(): Promise<TestPostgres> {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-pg-'));
  const data = path.join(folder, 'data');
  const port = await freePort();
  const url = `postgres://test@127.0.0.1:${port}/postgres`;
  const files = { postgres: requireTool('postgres'), initdb: requireTool('initdb') };
  const kept = keptCluster(files.postgres);
  const recipe = postgresServer({
    files,
    port,
    folder,
    owner: 'test',
    settings: ['shared_buffers=32MB', 'max_connections=50'],
    initdb: ['--no-sync'],
    onMade: () => keep(data, kept),
  });
  if (existsSync(kept)) copy(kept, data);
  let databases = 0;
  const server = await startServer(
    { ...recipe, isReady: () => runOnce(url, 'select 1').then(() => true) },
    path.join(folder, 'postgres.log'),
    systemClock,
  );

  function signal(name: NodeJS.Signals): void {
    if (!server.running) return;
    // Every backend leads a process group of its own, so that no group holds them all. A stopped server makes no more of them.
    server.signal('SIGSTOP');
    const backends = childrenOf(server.pid);
    for (const pid of name === 'SIGCONT' ? [...backends, server.pid] : [server.pid, ...backends]) send(pid, name);
  }
  async function kill(): Promise<void> {
    signal('SIGKILL');
    await server.kill();
  }
  const atExit = (): void => signal('SIGKILL');
  process.once('exit', atExit);
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
      await server.restart();
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

/** Where a cluster is kept that no server has run on, for the next one to copy: initdb takes a second of a core. */
function keptCluster(postgres: string): string {
  const { stdout } = spawnSync(postgres, ['--version'], { encoding: 'utf8' });
  return path.join(KEPT, `${stdout.replaceAll(/[^\w.]+/g, '-')}${databaseUser()?.uid ?? 'self'}`);
}

function keep(data: string, kept: string): void {
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
