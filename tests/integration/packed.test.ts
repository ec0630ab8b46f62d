/**
 * What people get from the registry: the packed tarball, installed into an empty folder, starts with `npx revoagent`, and its
 * libraries run every example under `examples/resilience/` and `examples/cache/`, each of which ends with the lines it prints.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { waitFor } from '../helpers/hub-process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const START_MS = 60_000;
const run = promisify(execFile);

describe('the packed tarball, in an empty folder', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'revoagent-packed-'));
    await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT });
    const [tarball = assert.fail('npm pack wrote nothing')] = await readdir(folder);
    await writeFile(path.join(folder, 'package.json'), '{"private": true, "type": "module"}');
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', path.join(folder, tarball)], {
      cwd: folder,
    });
  });
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

  it('holds what is run, and neither sources nor tests', async () => {
    const installed = path.join(folder, 'node_modules/revoagent');
    const names = await readdir(installed, { recursive: true });
    for (const name of ['bin/revoagent.js', 'dist/cli/main.js', 'dist/http/assets/status.html', 'LICENSE']) {
      assert.ok(names.includes(name), `${name} is missing`);
    }
    assert.deepEqual(
      names.filter((name) => /\.test\.|^(src|tests|bench)\b|(?<!\.d)\.ts$/.test(name)),
      [],
    );
  });

  it('has the runbooks that alerts name and drills carry out', async () => {
    const drill = run(path.join(folder, 'node_modules/.bin/revoagent'), ['drill'], { cwd: folder });
    await assert.rejects(drill, ({ stderr }: { stderr: string }) => /There are: .*\bBreakerOpen\b/.test(stderr));
  });

  it('starts with npx revoagent and answers a chat', async (t) => {
    // A group of its own: npx, the launcher and the hub all end with it.
    const child = spawn('npx', ['revoagent', 'serve', '--json', '--port', '0'], { cwd: folder, detached: true });
    t.after(() => process.kill(-(child.pid ?? assert.fail('npx did not start')), 'SIGKILL'));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const url = await waitFor(
      () => /"url":"(http:[^"]+)"/.exec(output)?.[1],
      START_MS,
      () => output,
    );
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'simulator/chat', messages: [{ role: 'user', content: 'Hello' }] }),
    });
    assert.equal(response.status, 200, output);
    assert.equal((await fetch(`${url}/docs`)).status, 200);
  });

  it('has the types of revoagent/guardrail: the redactor compiles against them, and a wrong verdict does not', async () => {
    await cp(path.join(ROOT, 'examples/guardrails'), path.join(folder, 'guardrails'), { recursive: true });
    await writeFile(
      path.join(folder, 'guardrails/wrong.ts'),
      `import type { ChatRequest, GuardrailVerdict } from 'revoagent/guardrail';
export const before = (_request: ChatRequest): GuardrailVerdict<ChatRequest> => ({ action: 'nonsense' });
`,
    );
    const flags =
      '--strict --noEmit --module nodenext --target esnext --lib esnext,dom --ignoreConfig --pretty false --singleThreaded';
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    const files = ['pii-redactor.ts', 'wrong.ts'].map((name) => `guardrails/${name}`);
    const compiled = run(process.execPath, [tsc, ...flags.split(' '), ...files], { cwd: folder });
    // What is said of a file begins with its name, and goes on in lines that are set in.
    await assert.rejects(compiled, ({ stdout }: { stdout: string }) => {
      const said = stdout.split('\n').filter((line) => /^\S/.test(line));
      assert.ok(said.length > 0 && said.every((line) => /^guardrails\/wrong\.ts.*TS2322/.test(line)), stdout);
      return true;
    });
  });

  for (const library of ['resilience', 'cache']) {
    it(`runs every example of revoagent/${library}, which prints what it says`, async () => {
      const examples = path.join(ROOT, 'examples', library);
      const names = await readdir(examples);
      assert.ok(names.length >= 3);
      const copies = path.join(folder, 'examples', library);
      await cp(examples, copies, { recursive: true });
      for (const name of names) {
        const source = await readFile(path.join(examples, name), 'utf8');
        const [, promised] = source.split('\n// Prints:\n');
        assert.ok(promised !== undefined, `${name} does not say what it prints`);
        const { stdout } = await run(process.execPath, [path.join(copies, name)]);
        assert.equal(stdout, promised.replaceAll(/^\/\/ /gm, ''), name);
      }
    });
  }
});
