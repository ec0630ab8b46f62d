/**
 * A real Redis of one test: its own folder, a free port, nothing kept on disk, so that every start is an empty one. It is killed,
 * stopped and continued with real signals, and it goes with the process that started it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { systemClock } from '#core/clock';
import { redisServer } from '#stack/servers/redis';
import { startServer } from '#stack/servers/start';
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
  const words = [
    ...(tls ? ['--port', '0', '--tls-port', String(port)] : []),
    ...(sentinel ? ['--sentinel'] : plain),
    ...more,
  ];
  const reach = { host: '127.0.0.1', port, ...client };
  const server = await startServer(
    {
      ...redisServer({ name: 'Redis', file: requireTool('redis-server'), port, folder, settings: file, words }),
      isReady: () => runOnce(reach, 'PING', []).then(() => true),
    },
    path.join(folder, 'redis.log'),
    systemClock,
  );
  return {
    url,
    port,
    command: (name, ...rest) => runOnce(reach, name, rest),
    kill: () => server.kill(),
    stop: () => server.signal('SIGSTOP'),
    cont: () => server.signal('SIGCONT'),
    restart: () => server.restart(),
    async close() {
      await server.kill();
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
