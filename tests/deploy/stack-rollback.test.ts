/** A stack that is given a version which is no good: it takes the one before back by itself. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { runCli, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { startLoad } from '../helpers/load.ts';
import { startStack } from '../helpers/stack.ts';
import type { Stack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';

describe('a stack', () => {
  const suite = forTheSuite();
  let stack: Stack;
  before(async () => {
    stack = await startStack(suite, ['--no-monitoring']);
  });

  it('takes a version back that does not get ready, and nobody notices', async (t) => {
    const broken = await temporaryFolder(t);
    await mkdir(path.join(broken, 'bin'));
    await writeFile(
      path.join(broken, 'bin', 'revoagent.js'),
      "if (process.argv[2] === 'config') process.exit(0);\nconsole.error('this version is broken');\nprocess.exit(1);\n",
    );
    const load = startLoad(stack.url);
    const deployed = await runCli(['deploy', '--settle', '0', '--from', broken, '--folder', stack.folder], {
      withinMs: 150_000,
    });
    await load.stop();
    assert.equal(deployed.code, 1);
    assert.match(deployed.stderr, /rolled back: hub-1 ended with 1:[^]*this version is broken/);
    assert.deepEqual(load.failures.slice(0, 5), []);
    assert.equal(
      (await stack.status()).parts.filter(({ name, state }) => name.startsWith('hub') && state === 'ready').length,
      2,
    );
  });

  it('takes a version back that the last hub does not get ready with, while the first goes on serving', async (t) => {
    const broken = await temporaryFolder(t);
    await mkdir(path.join(broken, 'bin'));
    const here = path.join(process.cwd(), 'bin', 'revoagent.js');
    await writeFile(
      path.join(broken, 'bin', 'revoagent.js'),
      `if (process.env.REVOAGENT_INSTANCE === 'hub-2') process.exit(1);\nawait import(${JSON.stringify(here)});\n`,
    );
    await writeFile(path.join(broken, 'package.json'), '{"type": "module"}');
    const load = startLoad(stack.url);
    const deployed = await runCli(['deploy', '--settle', '0', '--from', broken, '--folder', stack.folder], {
      withinMs: 150_000,
    });
    await load.stop();
    assert.equal(deployed.code, 1);
    assert.match(deployed.stderr, /rolled back: hub-2 ended with 1/);
    assert.deepEqual(load.failures.slice(0, 5), []);
  });

  it('takes a version back that fails its callers', async (t) => {
    const failing = await temporaryFolder(t);
    await mkdir(path.join(failing, 'bin'));
    const config = path.join(failing, 'failing.json');
    const nobody = { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' };
    await writeFile(
      config,
      JSON.stringify({ providers: { nobody }, routes: { '*': { groups: [[{ provider: 'nobody' }]] } } }),
    );
    const [program, here] = [
      path.join(failing, 'bin', 'revoagent.js'),
      path.join(process.cwd(), 'bin', 'revoagent.js'),
    ];
    // The hub as it is, ready and willing, with a configuration that reaches nobody.
    await writeFile(
      program,
      `process.argv[process.argv.indexOf('--config') + 1] = ${JSON.stringify(config)};\nawait import(${JSON.stringify(here)});\n`,
    );
    await writeFile(path.join(failing, 'package.json'), '{"type": "module"}');
    const load = startLoad(stack.url);
    const deployed = await runCli(['deploy', '--settle', '30', '--from', failing, '--folder', stack.folder], {
      withinMs: 150_000,
    });
    await load.stop();
    assert.equal(deployed.code, 1);
    assert.match(deployed.stderr, /rolled back: hub-1 failed \d+ of its first \d+ requests/);
    const well = startLoad(stack.url);
    await waitFor(() => (well.done.posts > 50 ? true : null));
    await well.stop();
    assert.deepEqual(well.failures, [], 'the version before serves again');
  });
});
