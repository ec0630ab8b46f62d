/**
 * `npm run check`: everything that is known without running a test — types, lint, format, unused code, generated files. Each
 * check is the npm script of that name, so that one line in package.json says what it does. A failed one prints its output whole.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inParallel } from './in-parallel.ts';

const CHECKS = ['typecheck', 'lint', 'format:check', 'knip', 'generate:check'] as const;
const WIDTH = 2;

export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
}

/** Runs all checks and prints a line for each as it ends. */
export function runChecks(): Promise<CheckResult[]> {
  return inParallel(CHECKS, WIDTH, async (name) => {
    const startedMs = performance.now();
    const { code, output } = await npmRun(name);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'}  npm run ${name}  ${seconds} s`);
    if (code !== 0) console.log(output.trimEnd());
    return { name, passed: code === 0 };
  });
}

function npmRun(name: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const cwd = fileURLToPath(new URL('../', import.meta.url));
    // A shell, because npm is a script of its own on Windows; `name` is one of the words above.
    const child = spawn(`npm run --silent ${name}`, { cwd, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

if (import.meta.main) {
  const results = await runChecks();
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
}
