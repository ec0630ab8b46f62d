/** A Redis on one port of this machine. */
import { mkdirSync } from 'node:fs';
import { environmentWith } from '#config/index';
import type { Server } from '../part.ts';
import { repliesTo } from '../probes.ts';

export interface RedisServerOptions {
  readonly name: string;
  /** The program's. */
  readonly file: string;
  readonly port: number;
  /** What it writes is here. */
  readonly folder: string;
  /** A configuration file that comes before everything else. */
  readonly settings?: string | undefined;
  /** Behind everything else, as on its command line. */
  readonly words?: readonly string[];
}

export function redisServer({ name, file, port, folder, settings, words = [] }: RedisServerOptions): Server {
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--daemonize', 'no'];
  return {
    name,
    command: [file, ...(settings === undefined ? [] : [settings]), ...place, ...words],
    env: environmentWith({}),
    prepare: () => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
    isReady: (signal) => repliesTo(`127.0.0.1:${port}`, 'PING\r\n', /^\+PONG/, signal),
    readyMs: 30_000,
    stopSignal: 'SIGTERM',
    stopMs: 10_000,
  };
}
