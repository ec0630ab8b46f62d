/** A stack that ends, by itself, by order or before it began: one clear line where it could not be, and nothing left running. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { findPrograms } from '#stack/programs';
import { startOf } from '#stack/state';
import type { StackPlan } from '#stack/index';
import { runCli, temporaryFolder } from '../helpers/hub-process.ts';
import { freeOffset, stackFolder, startStack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';
import type { Cleanup } from '../helpers/suite.ts';

describe('the end of a stack', { concurrency: true }, () => {
  const suite = forTheSuite();

  it('leaves nothing running; and a killed supervisor’s processes are ended by the next one', async () => {
    const first = await startStack(suite, ['--no-monitoring']);
    const words = ['--no-monitoring', '--port-offset', String(first.offset)];
    const { parts } = await first.status();
    // Where what is tested here fails, nobody else ends them.
    suite.after(() => parts.forEach(({ pid }) => pid !== null && runs(pid) && process.kill(pid, 'SIGKILL')));
    const state: { pid: number } = JSON.parse(await readFile(path.join(first.folder, 'state.json'), 'utf8'));
    process.kill(state.pid, 'SIGKILL');
    const none = await runCli(['status', '--folder', first.folder]);
    assert.deepEqual([none.code, none.stderr.includes('No stack runs in')], [1, true]);
    const again = await runCli(['up', '--detach', '--folder', first.folder, ...words]);
    assert.equal(again.code, 0, again.stderr);
    assert.ok(again.stdout.includes(`| down --folder ${first.folder}\n`), 'the commands that it names find it');
    assert.deepEqual(parts.flatMap(({ pid }) => (pid === null ? [] : [pid])).filter(runs), []);
    const second = (await first.status()).parts.flatMap(({ pid }) => (pid === null ? [] : [pid]));
    assert.equal((await runCli(['down', '--folder', first.folder])).code, 0);
    assert.deepEqual(second.filter(runs), []);
  });

  it('that cannot start is one clear line, and all of it', async (t) => {
    const offset = await freeOffset();
    const taken = createServer().listen(12_379 + offset, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const folder = await stackFolder(t);
    const bad = path.join(path.dirname(folder), 'bad.json');
    await writeFile(bad, '{"serverr": {}}');
    const tls = ['--tls-listen', '127.0.0.1:45443', '--tls-certificate', bad, '--tls-key', bad];
    const elsewhere = ['--port-offset', String(await freeOffset())];
    const tiny = await tinyDisk(t);
    const mute = path.join(path.dirname(folder), 'mute');
    await mkdir(path.join(mute, 'control.sock'), { recursive: true });
    const cases: readonly [string[], RegExp][] = [
      [
        ['--port-offset', String(offset)],
        /^revoagent: redis-cache needs port \d+, which is taken by node[\w-]* \(process \d+\)\. .+\n$/,
      ],
      [
        [...elsewhere, ...tls],
        /^revoagent: \S+ holds no certificate in PEM, without a password, that nginx could read\.\n$/,
      ],
      [
        [...elsewhere, '--config', bad],
        /^The configuration has one problem:\n {2}\S+bad\.json:1: serverr: is not known; did you mean "server"\?\n$/,
      ],
      [
        [...elsewhere, '--dry-run', '--admin-key-file', bad],
        /^revoagent: The admin key file \S+bad\.json holds no key\. .+\n$/,
      ],
      [
        [...elsewhere, '--listen', '127.0.0.1'],
        /^revoagent: nginx cannot listen on "127\.0\.0\.1": that is no host:port\.\n$/,
      ],
      [[...elsewhere, '--listen', '8080'], /^revoagent: nginx cannot listen on "8080": that is no host:port\.\n$/],
      [['--dry-run', '--port-offset', 'x'], /^revoagent: --port-offset wants a number, not "x"\.\n$/],
      [
        ['--dry-run', '--port-offset', '70000'],
        /^revoagent: Ports are moved by a whole number from 0 to \d+, not by 70000\.\n$/,
      ],
      [[...elsewhere, '--only', 'mongodb'], /^revoagent: There is no part "mongodb"\. There are: postgres, .+\n$/],
      [[...elsewhere, '--hubs', '11'], /^revoagent: A stack has 2 to 10 hubs, not 11\.\n$/],
      [
        [...elsewhere, '--folder', tiny],
        /^revoagent: The disk of \S+ has \d MB left, and a stack needs \d+ MB\. .+\n$/,
      ],
      [
        [...elsewhere, '--folder', path.join(folder, 'x'.repeat(80))],
        /^revoagent: \S+x is too long a path: sockets lie in it.+ of 83 bytes at most\.\n$/,
      ],
      [[...elsewhere, '--folder', mute], /^revoagent: .+control\.sock.*\n$/],
    ];
    await Promise.all(
      cases.map(async ([words, expected], at) => {
        const own = path.join(path.dirname(folder), `stack-${at}`);
        const up = await runCli(['up', '--no-monitoring', '--folder', own, ...words]);
        assert.equal(up.code, 1);
        assert.match(up.stderr, expected);
        assert.doesNotMatch(up.stdout, /ready/, 'nothing was started');
      }),
    );
  });

  it('is not begun for a version that is not there, and for its own by whatever link it is called', async (t) => {
    const folder = await temporaryFolder(t);
    const link = path.join(folder, 'revoagent');
    await symlink(path.join(process.cwd(), 'bin', 'revoagent.js'), link);
    const { stderr } = spawnSync(process.execPath, [link, 'deploy', '--folder', folder], { encoding: 'utf8' });
    assert.match(stderr, /^revoagent: No stack runs in /, 'its version was found');
    const deployed = await runCli(['deploy', '--from', '/nowhere', '--folder', '/nowhere/stack']);
    assert.equal(deployed.code, 1);
    assert.match(
      deployed.stderr,
      /^revoagent: There is no version to deploy: \/nowhere\/bin\/revoagent\.js is missing\.\n$/,
    );
  });

  it('that is only planned starts nothing, and says what stands in the way', async (t) => {
    const folder = await stackFolder(t);
    const words = ['up', '--dry-run', '--json', '--only', 'nginx', '--folder', folder, '--port-offset'];
    const plan = await runCli([...words, String(await freeOffset())]);
    const { parts, problems } = JSON.parse(plan.stdout) as StackPlan;
    assert.deepEqual([plan.code, problems], [0, []]);
    assert.deepEqual(
      parts.map(({ name }) => name),
      ['postgres', 'redis-cache', 'redis-state', 'hub-1', 'nginx'],
    );
    assert.equal(existsSync(folder), false);
  });
});

describe('programs', () => {
  it('that are not installed are named with the command that installs them', () => {
    assert.throws(
      () => findPrograms(['nginx', 'prometheus'], () => undefined),
      /^Error: The stack starts programs that are not installed\. Run: sudo apt-get install nginx prometheus$/,
    );
  });
});

/** A disk of 8 MB. */
async function tinyDisk(t: Cleanup): Promise<string> {
  const mounted: { folder: string | null } = { folder: null };
  // Before the folder itself goes: what is registered first is done first.
  t.after(() => void (mounted.folder !== null && spawnSync('umount', [mounted.folder])));
  const folder = await temporaryFolder(t);
  const words = ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'tmpfs', folder];
  const { status, stderr } = spawnSync('mount', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  mounted.folder = folder;
  return path.join(folder, 'stack');
}

/** One that has ended and that its parent has not asked for runs no more. */
function runs(pid: number): boolean {
  return startOf(pid) !== '';
}
