/** A hub of a stack: the same program that a person starts, on its own port, over the stack's database. */
import { mkdirSync } from 'node:fs';
import { environmentWith } from '#config/index';
import type { Layout } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part } from '../part.ts';
import { answersOk } from '../probes.ts';
import { DRILL_UPSTREAM } from './drill-upstream.ts';
import { keepClock, steppableClock } from './steppable-clock.ts';
import { postgresUrl } from './postgres.ts';
import { redisUrl } from './redis.ts';

/** A drill fills the heap of a hub, not the machine. */
const SMALL_HEAP = '--max-old-space-size=600 --max-semi-space-size=4';
/** The default of the hub's own grace for requests and streams (`server.shutdownGraceMs`), and what it needs besides, to close its stores. */
const GRACE_MS = 30_000;
const CLOSE_MS = 15_000;

export function hubName(number: number): string {
  return `hub-${number}`;
}

/** `program`: another version's `bin/revoagent.js`; this one's by default. */
export function hubPart(layout: Layout, number: number, program = shipped('bin', 'revoagent.js')): Part {
  const { configFile } = layout;
  const { adminKeyFile, drills, shutdownGraceMs = GRACE_MS } = layout.options;
  const name = hubName(number);
  const address = layout.hubAddress(number);
  const folder = layout.in('hubs', name);
  const port = address.slice(address.lastIndexOf(':') + 1);
  return {
    name,
    needs: ['postgres', 'redis-cache', 'redis-state', ...(drills === true ? [DRILL_UPSTREAM] : [])],
    command: [
      process.execPath,
      program,
      'serve',
      '--json',
      '--host',
      '127.0.0.1',
      '--port',
      port,
      '--data-dir',
      folder,
      ...(configFile === undefined ? [] : ['--config', configFile]),
    ],
    env: environmentWith({
      DATABASE_URL: postgresUrl(layout),
      REVOAGENT_REDIS_CACHE_URL: redisUrl(layout, 'cache'),
      REVOAGENT_REDIS_STATE_URL: redisUrl(layout, 'state'),
      REVOAGENT_INSTANCE: name,
      ...(drills === true ? { ...steppableClock(layout), NODE_OPTIONS: SMALL_HEAP } : {}),
      ...(adminKeyFile === undefined ? {} : { REVOAGENT_ADMIN_KEY_FILE: adminKeyFile }),
    }),
    binds: [address],
    prepare: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (drills === true) keepClock(layout);
    },
    isReady: (signal) => answersOk(`http://${address}/health/ready`, signal),
    isAlive: (signal) => answersOk(`http://${address}/health/live`, signal),
    readyMs: 40_000,
    stopSignal: 'SIGTERM',
    stopMs: shutdownGraceMs + CLOSE_MS,
    reload: { signal: 'SIGHUP', rewrite: () => true },
    shown: { what: `hub ${number}`, url: `http://${address}` },
  };
}
