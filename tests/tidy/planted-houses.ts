/** Small whole houses for the rules that look at several files, or count their lines. See `planted-lines.ts`. */

/** Whole small houses: `at` names what must be reported, and nothing else may be. */
export interface PlantedHouse {
  readonly rule: string;
  readonly caught: Readonly<Record<string, string>>;
  readonly at: readonly string[];
  readonly passes: Readonly<Record<string, string>>;
}

const lines = (count: number): string => 'void 0;\n'.repeat(count);

const outboundList = (module: string, breaker = 'provider:*'): string =>
  `export const outbound = [{ module: '${module}', breaker: '${breaker}', why: 'x' }] as const;`;

/** A lock file in which `a` names a package for each of two platforms at 1.0.0, and one by a range that may be absent. */
const lockWith = (entries: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    packages: {
      'node_modules/a': {
        optionalDependencies: { 'a-linux-x64': '1.0.0', 'a-win32-x64': '1.0.0', fsevents: '^2.0.0' },
      },
      ...Object.fromEntries(Object.entries(entries).map(([key, version]) => [key, { version }])),
    },
  });

export const plantedHouses: readonly PlantedHouse[] = [
  {
    rule: 'no-circle',
    caught: {
      'src/gateway/a.ts': `import type { B } from './b.ts';`,
      'src/gateway/b.ts': `export * from '#gateway/c';`,
      'src/gateway/c.ts': `\nexport const load = () => import('./a.ts');`,
    },
    at: ['src/gateway/c.ts:2'],
    passes: {
      'src/gateway/a.ts': `import type { B } from './b.ts'; import { c } from './c.ts';`,
      'src/gateway/b.ts': `export * from '#gateway/c';`,
      'src/gateway/c.ts': `export const load = 1;`,
    },
  },
  {
    rule: 'registered',
    caught: {
      'src/providers/index.ts': `import type { simulator } from './simulator.ts';`,
      'src/providers/simulator.ts': `export const simulator = defineProvider({});`,
      'src/hub/health.ts': `import { disk } from '#health/checks/disk';`,
      'src/health/checks/disk.ts': '',
      'src/health/checks/heap.ts': '',
      'src/http/routes/chat.ts': '',
      'src/storage/migrations/index.ts': `import { first } from './0001-tenancy.ts';`,
      'src/storage/migrations/0001-tenancy.ts': '',
      'src/storage/migrations/0002-audit.ts': '',
    },
    at: [
      'src/providers/simulator.ts:1',
      'src/health/checks/heap.ts:1',
      'src/http/routes/chat.ts:1',
      'src/storage/migrations/0002-audit.ts:1',
    ],
    passes: {
      'src/providers/index.ts': `import { simulator } from './simulator.ts';`,
      'src/providers/simulator.ts': `export const simulator = defineProvider({});`,
      'src/providers/sse-parser.ts': `export const parse = 1;`,
      'src/health/checks/disk.test.ts': '',
      'src/storage/migrations/index.ts': '',
    },
  },
  {
    rule: 'outbound',
    caught: {
      'src/hub/outbound.ts': outboundList('providers/gone.ts', ''),
      'src/providers/exchange.ts': `import { Pool } from 'undici';`,
      'src/providers/models.ts': `export const get = () => fetch('http://x');`,
      'src/storage/postgres.ts': `import { Socket, createServer } from 'node:net';`,
      'src/storage/pglite-worker.ts': `export const load = () => import('@electric-sql/pglite');`,
      'src/hub/push.ts': `import http from 'node:http';`,
      'src/http/socket.ts': `import { WebSocket, WebSocketServer } from 'ws';`,
      'src/hub/feed.ts': `export const open = () => new globalThis.WebSocket('ws://x');`,
    },
    at: [
      'src/providers/exchange.ts:1',
      'src/providers/models.ts:1',
      'src/storage/postgres.ts:1',
      'src/storage/pglite-worker.ts:1',
      'src/hub/push.ts:1',
      'src/http/socket.ts:1',
      'src/hub/feed.ts:1',
      'src/hub/outbound.ts:1',
      'src/hub/outbound.ts:1',
    ],
    passes: {
      'src/hub/outbound.ts': outboundList('providers/exchange.ts'),
      'src/providers/exchange.ts': `import { Pool } from 'undici';`,
      'src/providers/exchange.test.ts': `import { request } from 'node:http';`,
      'src/providers/models.ts': `export const get = (fetch: (url: string) => void) => fetch('http://x');`,
      'src/http/server.ts': `import { createServer, type Server } from 'node:http';`,
      'src/http/sse.ts': `import type { Socket } from 'node:net';`,
      'src/http/sockets.ts': `import { WebSocketServer } from 'ws';`,
      'bench/load.ts': `import { Pool } from 'undici';`,
    },
  },
  {
    rule: 'whole-lock',
    caught: {
      'package-lock.json': lockWith({ 'node_modules/a-linux-x64': '1.0.0', 'node_modules/a-win32-x64': '0.9.0' }),
    },
    at: ['package-lock.json:1'],
    passes: {
      'package-lock.json': lockWith({
        'node_modules/a-linux-x64': '0.9.0',
        'node_modules/a/node_modules/a-linux-x64': '1.0.0',
        'node_modules/a-win32-x64': '1.0.0',
      }),
    },
  },
  {
    rule: 'dead-link',
    caught: { 'docs/a.md': 'see\n[b](b.md)', 'README.md': '![c](docs/c.svg) [a](docs/a.md)', 'b.md': '' },
    at: ['docs/a.md:2', 'README.md:1'],
    passes: {
      'docs/a.md': '[b](b.md#part) [home](../README.md) [here](#part) [out](https://example.com/b.md)',
      'docs/b.md': '',
      'README.md': '[all](docs) [all](docs/)',
      'src/core/a.ts': '// [b](b.md)',
    },
  },
  {
    rule: 'function-lines',
    caught: { 'scripts/build.ts': `// one\nexport function long() {\n${lines(69)}}\n` },
    at: ['scripts/build.ts:2'],
    passes: {
      'scripts/build.ts': `export function long() {\n${lines(68)}}\n`,
      'tests/a.test.ts': `describe('many tests', () => {\n${lines(100)}});\n`,
    },
  },
  {
    rule: 'file-lines',
    caught: { 'bench/run.ts': lines(401) },
    at: ['bench/run.ts:401'],
    passes: { 'bench/run.ts': `${lines(400)}\n\n` },
  },
];
