/** `npm test` cannot be fooled: each way in which a test file can end without proving anything counts as a failure. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { FileResult } from '../scripts/run-test-file.ts';

const RUNNER = new URL('../scripts/run-test-file.ts', import.meta.url).href;

/** Runs a test file of this text in a process of its own: a test runner does not start another one inside itself. */
async function outcomeOf(t: TestContext, text: string, limitMs = 60_000): Promise<FileResult> {
  const folder = await mkdtemp(join(tmpdir(), 'revoagent-runner-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'planted.test.mjs');
  await writeFile(file, `import { test, describe } from 'node:test';\n${text}\n`);
  const program = join(folder, 'run.mjs');
  await writeFile(
    program,
    `import { runTestFile } from ${JSON.stringify(RUNNER)};
     console.log(JSON.stringify(await runTestFile(${JSON.stringify(file)}, ${limitMs})));`,
  );
  const env = { ...process.env };
  delete env['NODE_TEST_CONTEXT'];
  const { stdout } = await promisify(execFile)(process.execPath, [program], { env });
  return JSON.parse(stdout);
}

test('a file whose tests pass has passed, and each test counts once', async (t) => {
  const result = await outcomeOf(t, `describe('a', () => { test('b', () => {}); test('c', () => {}); });`);
  assert.deepEqual([result.passed, result.failed, result.output], [2, 0, '']);
});

test('a failed test shows its reason and everything its file printed', async (t) => {
  const result = await outcomeOf(
    t,
    `describe('a', () => { test('b', () => { console.log('what I saw'); throw new TypeError('the reason'); }); });
     test('c', () => {});`,
  );
  assert.deepEqual([result.passed, result.failed], [1, 1]);
  assert.match(result.output, /b \(line 2\):\s+TypeError.*: the reason[^]*what I saw/);
});

const PROVES_NOTHING = [
  ['throws while it is loaded', `throw new Error('at load');`, /at load/],
  ['does not parse', `test('a', (=> {});`, /SyntaxError/],
  ['exits with 0 in the middle of a test', `test('a', () => { process.exit(0); });`, /ended before its tests did/],
  ['holds no test', `export const a = 1;`, /holds no test/],
  ['skips a test', `test('a', { skip: true }, () => {}); test('b', () => {});`, /a \(line 2\): was skipped/],
  ['leaves a test for later', `test('a', { todo: true }, () => {});`, /a \(line 2\): was skipped/],
  [
    'fails after its test has ended',
    `test('a', () => { setImmediate(() => Promise.reject(new Error('late'))); });`,
    /./,
  ],
] as const;

for (const [what, text, reason] of PROVES_NOTHING) {
  test(`a file that ${what} has failed`, async (t) => {
    const result = await outcomeOf(t, text);
    assert.equal(result.failed, 1, JSON.stringify(result));
    assert.match(result.output, reason);
  });
}

test('a file that does not end is killed and names the test that still ran', async (t) => {
  const result = await outcomeOf(
    t,
    `test('the stuck one', () => new Promise(() => setInterval(() => {}, 1000)));`,
    1500,
  );
  assert.equal(result.failed, 1);
  assert.match(result.output, /killed after 1500 ms; it still ran: .*the stuck one/);
});
