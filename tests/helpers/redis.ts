/**
 * A real Redis of one test: its own folder, a free port, nothing kept on disk, so that every start is an empty one. It is killed,
 * stopped and continued with real signals, and it goes with the process that started it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { freePort } from './free-port.ts';
import { requireTool } from './tools.ts';

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** One command, over a connection of its own. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, new ones are made by the kernel, and nothing answers. */
  stop(): void;
  cont(): void;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

type RedisClientOptions = Pick<RedisOptions, 'host' | 'port' | 'tls' | 'username' | 'password'>;

const START_MS = 20_000;

export interface RedisSettings {
  /** A configuration file that comes before everything else. */
  readonly file?: string;
  /** Behind what every test server is told, as on its command line. */
  readonly args?: readonly string[];
  /** `--sentinel`: it watches others; the file is its own to write to. */
  readonly sentinel?: boolean;
  /** The port speaks TLS alone. */
  readonly tls?: boolean;
  /** How `command` reaches it where that is not `redis://127.0.0.1:<port>`. */
  readonly client?: RedisClientOptions;
}

export async function startRedis({
  file,
  args: more = [],
  sentinel = false,
  tls = false,
  client = {},
}: RedisSettings = {}): Promise<TestRedis> {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const plain = file === undefined ? ['--save', '', '--appendonly', 'no'] : [];
  const args = [
    ...(file === undefined ? [] : [file]),
    ...(tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)]),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    ...(sentinel ? ['--sentinel'] : plain),
    ...more,
  ];
  const reach = { host: '127.0.0.1', port, ...client };
  let server = start();

  function start(): ChildProcess {
    // Detached, so that a Ctrl-C at the terminal ends the tests and they end it.
    const child = spawn(requireTool('redis-server'), args, { stdio: 'ignore', detached: true });
    child.unref();
    return child;
  }
  function signal(name: NodeJS.Signals): void {
    if (server.exitCode === null && server.signalCode === null) server.kill(name);
  }
  async function kill(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }
  const atExit = (): void => signal('SIGKILL');
  process.once('exit', atExit);
  await answers(reach);
  return {
    url,
    port,
    command: (name, ...rest) => runOnce(reach, name, rest),
    kill,
    stop: () => signal('SIGSTOP'),
    cont: () => signal('SIGCONT'),
    async restart() {
      await kill();
      server = start();
      await answers(reach);
    },
    async close() {
      process.off('exit', atExit);
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function runOnce(client: RedisClientOptions, name: string, args: readonly (string | number)[]): Promise<unknown> {
  const redis = new Redis({ ...client, lazyConnect: true, retryStrategy: null, connectTimeout: 2_000 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await redis.call(name, ...args);
  } finally {
    redis.disconnect();
  }
}

async function answers(client: RedisClientOptions): Promise<void> {
  const end = performance.now() + START_MS;
  for (;;) {
    try {
      await runOnce(client, 'PING', []);
      return;
    } catch (error) {
      if (performance.now() > end) throw new Error('Redis did not start', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
