/**
 * `npm test`: prepares the tools the tests need, runs the checks, then every test file in a process of its own, and ends with the
 * line `N passed, N failed`. A file that ends before its tests do, holds none or skips one counts as failed: none of them
 * proves anything. The order of files is drawn from a seed that is printed, because no test may depend on another; those that start
 * programs come before those beside the source, so that no long one is left over for a single lane at the end.
 *
 *   npm test -- --seed 7           the same order again
 *   npm test -- --order given      alphabetical
 *   npm test -- --width 1          so many files at once; left out, two more than there are processors
 *   npm test -- --only 'src/core/**'   these files alone, without tools and checks
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { matchesGlob } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '#core/random';
import { runChecks } from './check.ts';
import type { CheckResult } from './check.ts';
import { inParallel } from './in-parallel.ts';
import { runTestFile } from './run-test-file.ts';
import type { FileResult } from './run-test-file.ts';

const TEST_FILES = ['src/**/*.test.ts', 'tests/**/*.test.ts'];
const PREPARE = 'scripts/prepare-tests.ts';
const WIDTH_MAX = 16;
const SLOWEST_SHOWN = 10;
const COMPILED = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url));

interface Options {
  readonly order: 'random' | 'given';
  readonly seed: number;
  readonly only: string | undefined;
  readonly width: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      order: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      width: { type: 'string' },
    },
  });
  const order = values.order ?? 'random';
  if (order !== 'random' && order !== 'given') throw new Error(`--order is random or given, not ${order}`);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed is a whole number from 0, not ${values.seed}`);
  // A test that starts programs also waits for them, and leaves its processor to another meanwhile.
  const width = Number(values.width ?? Math.min(availableParallelism() + 2, WIDTH_MAX));
  if (!Number.isInteger(width) || width < 1 || width > WIDTH_MAX)
    throw new Error(`--width is a whole number from 1 to ${WIDTH_MAX}, not ${values.width}`);
  return { order, seed, only: values.only, width };
}

function testFiles({ order, seed, only }: Options): string[] {
  const all = globSync(TEST_FILES).map((path) => path.replaceAll('\\', '/'));
  const files = all.filter((path) => only === undefined || path === only || matchesGlob(path, only)).toSorted();
  if (files.length === 0) throw new Error(`no test file matches ${only ?? TEST_FILES.join(', ')}`);
  if (order === 'given') return files;
  const drawn = shuffled(files, seed);
  return [...drawn.filter((path) => path.startsWith('tests/')), ...drawn.filter((path) => path.startsWith('src/'))];
}

/** Fisher and Yates. */
function shuffled(files: readonly string[], seed: number): string[] {
  const random = seededRandom(seed);
  const order = [...files];
  for (let end = order.length - 1; end > 0; end--) {
    const other = Math.floor(random.next() * (end + 1));
    [order[end], order[other]] = [order[other] ?? '', order[end] ?? ''];
  }
  return order;
}

/** Finds or installs the programs that tests start. Says what it does while it does it: an installation takes a minute. */
function prepareTools(): void {
  const { status } = spawnSync(process.execPath, [PREPARE], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${PREPARE} failed: the tests would start programs that are not there`);
}

function runTests(files: readonly string[], width: number): Promise<FileResult[]> {
  let done = 0;
  return inParallel(files, width, async (file) => {
    const result = await runTestFile(file);
    const word = result.failed === 0 ? 'ok    ' : 'FAILED';
    const count = `${String(++done).padStart(String(files.length).length)}/${files.length}`;
    console.log(`${word}  ${count}  ${file}  ${result.passed + result.failed} tests  ${seconds(result.tookMs)}`);
    if (result.failed > 0) console.log(result.output);
    return result;
  });
}

/** What a person looks for at the end of a long log; the last line is the same in every run. */
function summarise(checks: readonly CheckResult[], tests: readonly FileResult[]): void {
  console.log(`\nslowest files`);
  for (const { file, tookMs } of tests.toSorted((a, b) => b.tookMs - a.tookMs).slice(0, SLOWEST_SHOWN)) {
    console.log(`  ${seconds(tookMs).padStart(8)}  ${file}`);
  }
  const brokenChecks = checks.filter((check) => !check.passed);
  const brokenFiles = tests.filter((result) => result.failed > 0);
  if (brokenChecks.length + brokenFiles.length > 0) console.log(`\nfailed`);
  for (const { name } of brokenChecks) console.log(`  npm run ${name}`);
  for (const { file, failed } of brokenFiles) console.log(`  ${file}  ${failed} failed`);
  const passed = tests.reduce((sum, result) => sum + result.passed, checks.length - brokenChecks.length);
  const failed = tests.reduce((sum, result) => sum + result.failed, brokenChecks.length);
  console.log(`\ntook ${seconds(performance.now())}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function main(): Promise<void> {
  const options = readOptions();
  process.chdir(fileURLToPath(new URL('../', import.meta.url)));
  // A hundred processes load the same sources: each is compiled once, by whoever comes first (node:module, enableCompileCache).
  process.env['NODE_COMPILE_CACHE'] ??= COMPILED;
  const files = testFiles(options);
  const all = options.only === undefined;
  if (all) prepareTools();
  const checks = all ? await runChecks() : [];
  const order = options.order === 'given' ? 'given order' : `random order, repeat it with --seed ${options.seed}`;
  console.log(`\n${files.length} test files, ${order}`);
  summarise(checks, await runTests(files, options.width));
}

try {
  await main();
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
