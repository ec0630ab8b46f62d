/**
 * What each rule must catch, and the near miss beside it that must pass. A rule without an entry here fails the tidy test: a
 * check that was never seen red proves nothing.
 */

/** Single files: every line of `caught` alone is a violation at line 1, every line of `passes` alone is none. */
export interface PlantedLines {
  readonly rule: string;
  readonly path: string;
  readonly caught: readonly string[];
  readonly passes: readonly string[];
}

const folder = (...names: string[]): string => ['', ...names, ''].join('/');

export const plantedLines: readonly PlantedLines[] = [
  {
    rule: 'floors',
    path: 'src/http/routes/chat.ts',
    caught: [
      `import { route } from '#gateway/route';`,
      `import type { Route } from '#gateway/route';`,
      `import { type Route } from '../../gateway/route.ts';`,
      `export * from '#gateway/route';`,
      `export type { Route } from '#gateway/route';`,
      `export const load = () => import('#gateway/route');`,
      'export const load = () => import(`../../gateway/route.ts`);',
      `export type Route = import('#gateway/route').Route;`,
      `export const file = new URL('../../gateway/route.ts', import.meta.url);`,
      `import { createBreaker } from 'revoagent/resilience';`,
      `import { systemClock } from '../../core/clock.ts';`,
      `import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';`,
    ],
    passes: [
      `import type { Gateway } from '#contract/gateway';`,
      `import { HubError } from '#core/errors';`,
      `import { sse } from '../sse.ts';`,
      `import { fastify } from 'fastify';`,
      `import { version } from '../../../package.json' with { type: 'json' };`,
      `export const file = new URL('../assets/page.html', import.meta.url);`,
      `export const text = "import { route } from '#gateway/route'";`,
    ],
  },
  {
    rule: 'floors',
    path: 'src/http/sse.test.ts',
    caught: [`import { createGateway } from '#gateway/gateway';`],
    passes: [`import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';`],
  },
  {
    rule: 'core-is-pure',
    path: 'src/core/ids.ts',
    caught: [`import { readFileSync } from 'node:fs';`, `import type { Logger } from 'pino';`],
    passes: [`import { randomFillSync } from 'node:crypto';`, `import { limits } from './limits.ts';`],
  },
  {
    rule: 'visible-imports',
    path: 'src/hub/compose.ts',
    caught: [
      `export const load = (name: string) => import(name);`,
      `import { createRequire } from 'node:module';`,
      `export const fs = process.getBuiltinModule('node:fs');`,
      `export const run = (text: string): unknown => eval(text);`,
    ],
    passes: [
      `export const load = () => import('./lifecycle.ts');`,
      `import { stripTypeScriptTypes } from 'node:module';`,
    ],
  },
  {
    rule: 'environment',
    path: 'src/config/defaults.ts',
    caught: [
      `export const port = process.env.PORT;`,
      `export const port = process['env']['PORT'];`,
      `export const port = globalThis.process.env;`,
      `const { env } = process; export const port = env.PORT;`,
      `import { env } from 'node:process';`,
      `import process from 'node:process';`,
    ],
    passes: [
      `export const pid = process.pid;`,
      `export const read = (process: { env: string }): string => process.env;`,
      `import { argv } from 'node:process';`,
    ],
  },
  {
    rule: 'environment',
    path: 'src/config/load.ts',
    caught: [],
    passes: [`export const port = process.env.PORT;`],
  },
  {
    rule: 'time-and-chance',
    path: 'src/gateway/attempt.ts',
    caught: [
      `export const at = Date.now();`,
      `export const at = new Date();`,
      `export const at = Date();`,
      `const { now } = Date; export const at = now();`,
      `export const at = globalThis.performance.now();`,
      `export const at = process.hrtime.bigint();`,
      `export const chance = Math.random();`,
      `export const later = (f: () => void) => setTimeout(f, 1);`,
      `export const timer = setInterval;`,
      `export const soon = (f: () => void) => setImmediate(f);`,
      `export const deadline = AbortSignal.timeout(5);`,
      `import { setTimeout } from 'node:timers/promises';`,
      `import { performance } from 'node:perf_hooks';`,
    ],
    passes: [
      `export const at = (clock: { now(): number }) => clock.now();`,
      `export const shown = (ms: number) => new Date(ms).toISOString();`,
      `export const utc = Date.UTC(2026, 0, 1);`,
      `export const patient = (socket: { setTimeout(ms: number): void }) => socket.setTimeout(5);`,
      `export const run = (setTimeout: () => void) => setTimeout();`,
      `export let handle: ReturnType<typeof setTimeout> | undefined;`,
      `export const least = Math.min(1, 2);`,
      `import { monitorEventLoopDelay } from 'node:perf_hooks';`,
      `export const settings = { setTimeout: 5 };`,
    ],
  },
  { rule: 'time-and-chance', path: 'src/core/clock.ts', caught: [], passes: [`export const at = performance.now();`] },
  { rule: 'time-and-chance', path: 'src/gateway/a.test.ts', caught: [], passes: [`export const at = Date.now();`] },
  {
    rule: 'console',
    path: 'src/hub/lifecycle.ts',
    caught: [`export const say = () => console.log('x');`, `export const { log } = console;`],
    passes: [`export const say = (console: { log(text: string): void }) => console.log('x');`],
  },
  { rule: 'console', path: 'src/cli/serve.ts', caught: [], passes: [`export const say = () => console.log('x');`] },
  {
    rule: 'module-state',
    path: 'src/gateway/keys.ts',
    caught: [
      `let used = 0; export const use = () => used++;`,
      `const cache = new Map<string, number>(); export const size = () => cache.size;`,
      `export const cache = new LRUCache({ max: 5 });`,
      `export class Keys { static count = 0; }`,
    ],
    passes: [
      `const names = new Map([['a', 1]]); export const one = () => names.get('a');`,
      `export const createKeys = () => { let used = 0; const cache = new Map(); return () => cache.size + used++; };`,
      `export class Keys { static readonly limit = 5; count = 0; }`,
    ],
  },
  {
    rule: 'import-effects',
    path: 'src/hub/compose.ts',
    caught: [
      `start(); function start(): void {}`,
      `if (true) { void 0; }`,
      `export const text = await load(); async function load() {}`,
      `import './register.ts';`,
    ],
    passes: [
      `export async function start() { await load(); async function load() {} }`,
      `export const table = Object.freeze({});`,
    ],
  },
  { rule: 'import-effects', path: 'src/cli/main.ts', caught: [], passes: [`await run(); async function run() {}`] },
  {
    rule: 'file-header',
    path: 'src/hub/compose.ts',
    caught: [`export const a = 1; /** Too late. */`],
    passes: [`/** Owns the composition. */ export const a = 1;`],
  },
  {
    rule: 'default-export',
    path: 'bench/run.ts',
    caught: [`export default 1;`, `const a = 1; export { a as default };`],
    passes: [`export const a = 1;`, `import a from 'fastify'; void a;`],
  },
  {
    rule: 'any',
    path: 'tests/helpers/upstream.ts',
    caught: [`export const a = (x: any) => x;`, `export type A = Record<string, any>;`],
    passes: [`export const any = (x: unknown) => x;`, `export const text = 'any';`],
  },
  {
    rule: 'cast',
    path: 'src/gateway/route.ts',
    caught: [`export const a = 1 as unknown as string;`, `export const a = (1 as never) as string;`],
    passes: [`export const a = JSON.parse('1') as unknown;`, `export const a = 'x' as const;`],
  },
  {
    rule: 'empty-catch',
    path: 'scripts/build.ts',
    caught: [
      `try { void 0; } catch {}`,
      `try { void 0; } catch (error) { /* nothing to do */ }`,
      `Promise.resolve().catch(() => {});`,
    ],
    passes: [
      `try { void 0; } catch { process.exitCode = 1; }`,
      `Promise.resolve().catch(() => 1);`,
      `try { void 0; } finally {}`,
    ],
  },
  {
    rule: 'erasable-only',
    path: 'src/gateway/route.ts',
    caught: [
      `export enum Colour { Red }`,
      `export namespace A { export const b = 1; }`,
      `export class A { constructor(private readonly a: number) {} }`,
      `@sealed export class A {}`,
      `import fs = require('node:fs'); void fs;`,
    ],
    passes: [
      `export class A { readonly #a: number; constructor(a: number) { this.#a = a; } }`,
      `declare global { var a: number; }`,
    ],
  },
  {
    rule: 'compiler-silenced',
    path: 'tests/a.test.ts',
    caught: [`// @ts-expect-error`, `/* @ts-ignore because */`, `// @ts-nocheck`],
    passes: [`export const text = '@ts-ignore';`],
  },
  {
    rule: 'lint-silenced',
    path: 'src/gateway/route.ts',
    caught: [`// oxlint-disable-next-line no-control-regex`, `/* eslint-disable no-console */`],
    passes: [`// oxlint-disable-next-line no-control-regex -- the header's grammar has them`],
  },
  {
    rule: 'unfinished',
    path: 'src/gateway/route.ts',
    caught: [`// TODO: later`, `/* FIXME */`, `// XXX`, `// a HACK`],
    passes: [`// the todo list of the agent`, `export const text = 'TODO';`, `// TODOS`],
  },
  {
    rule: 'every-test-runs',
    path: 'src/gateway/route.test.ts',
    caught: [
      `test.only('a', () => {});`,
      `describe.skip('a', () => {});`,
      `it.todo('a');`,
      `test('a', { skip: true }, () => {});`,
      `test('a', { todo: 'later' }, () => {});`,
      `test('a', (t) => { t.skip('no database'); });`,
      `import { skip } from 'node:test';`,
    ],
    passes: [`test('a', { timeout: 1000 }, () => {});`, `list.skip(2);`, `import { test } from 'node:test';`],
  },
  {
    rule: 'no-sleep',
    path: 'tests/faults/gateway.test.ts',
    caught: [
      `await new Promise((resolve) => setTimeout(resolve, 50));`,
      `import { setTimeout } from 'node:timers/promises';`,
      `setInterval(() => {}, 5);`,
      `await systemClock.sleep(50);`,
    ],
    passes: [
      `await clock.sleep(50);`,
      `await new Promise((resolve) => setImmediate(resolve));`,
      `AbortSignal.timeout(5_000);`,
    ],
  },
  {
    rule: 'no-workplace',
    path: 'docs/storage.md',
    caught: [
      `see ${folder('work', 'main')}`,
      `\`${folder('work', 'x')}\``,
      `from ..${folder('shared')}design`,
      `in ${folder('tmp', 'bash_jobs')}`,
    ],
    passes: [
      'https://example.com/work/list',
      'docs/work/list.md',
      'the shared/ folder',
      '/workspace/a',
      '/tmp/revoagent',
    ],
  },
  {
    rule: 'public-registry',
    path: 'package-lock.json',
    caught: [`"resolved": "http://localhost:4873/a/-/a-1.0.0.tgz",`],
    passes: [`"resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz",`],
  },
];
