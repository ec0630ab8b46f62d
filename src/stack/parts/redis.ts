/** The two Redis processes of a stack: one may forget, the other may not. */
import { mkdirSync } from 'node:fs';
import { environmentWith } from '#config/index';
import type { Layout } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part } from '../part.ts';
import { repliesTo } from '../probes.ts';

export function redisUrl(layout: Layout, role: 'cache' | 'state'): string {
  return `redis://${layout.local(role === 'cache' ? 'redisCache' : 'redisState')}`;
}

export function redisPart(layout: Layout, role: 'cache' | 'state', file: string): Part {
  const port = role === 'cache' ? 'redisCache' : 'redisState';
  const folder = layout.in(`redis-${role}`);
  const words = ['--port', String(layout.port(port)), '--bind', '127.0.0.1', '--dir', folder, '--daemonize', 'no'];
  return {
    name: `redis-${role}`,
    needs: [],
    command: [file, shipped('deploy', 'redis', `${role}.conf`), ...words],
    env: environmentWith({}),
    binds: [layout.local(port)],
    prepare: () => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
    isReady: (signal) => repliesTo(layout.local(port), 'PING\r\n', /^\+PONG/, signal),
    readyMs: 30_000,
    stopSignal: 'SIGTERM',
    stopMs: 10_000,
    shown: { what: `Redis, ${role}`, url: redisUrl(layout, role) },
  };
}
