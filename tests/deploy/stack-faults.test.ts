/** A stack whose parts are killed and hang, and its end: what is needed is brought back, and nothing is left behind. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { findPrograms } from '#stack/programs';
import type { StackPlan } from '#stack/index';
import { runCli, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { assertOnce, startLoad, startSockets } from '../helpers/load.ts';
import { freeOffset, stackFolder, startStack } from '../helpers/stack.ts';
import type { Stack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';
import type { Cleanup } from '../helpers/suite.ts';

describe('a stack', () => {
  const suite = forTheSuite();
  let stack: Stack;
  before(async () => {
    stack = await startStack(suite);
  });

  const backAgain = async (part: string, pid: number): Promise<void> => {
    const found = await waitFor(
      async () => {
        const { parts } = await stack.status();
        return parts.find((each) => each.name === part && each.state === 'ready' && each.pid !== pid);
      },
      60_000,
      () => `${part} did not come back`,
    );
    assert.ok(found.restarts > 0, part);
  };
  const kill = async (part: string, signal: 'SIGKILL' | 'SIGSTOP' = 'SIGKILL'): Promise<() => Promise<void>> => {
    const pid = await stack.pidOf(part);
    process.kill(pid, signal);
    return () => backAgain(part, pid);
  };

  it('loses a hub under load: no GET fails, nothing is done twice, and the sockets of the other stay', async () => {
    const load = startLoad(stack.url);
    const sockets = await startSockets(stack.url, 20);
    const homes = sockets.homes();
    const orphans = homes.filter((home) => home === 'hub-2').length;
    await waitFor(() => (load.done.streams > 20 ? true : null));
    const back = await kill('hub-2');
    await back();
    await load.stop();
    await waitFor(() => (sockets.homes().includes(null) ? null : true));
    assert.ok(orphans > 0 && orphans < homes.length, JSON.stringify(homes));
    assert.equal(sockets.backMs.length, orphans, 'only those of the dead hub had to come back');
    await sockets.stop();
    assert.deepEqual(
      load.failures.filter((failure) => failure.startsWith('gets')),
      [],
    );
    // Each of the four callers had one request there at most when it died.
    assert.ok(load.failures.length <= 4, JSON.stringify(load.failures));
    for (const failure of load.failures)
      assert.match(failure, /instance_unavailable|a stream that was cut|terminated|other side closed/);
    assertOnce(stack.upstream, load.answered);
  });

  it('serves on while what it can do without is killed, one after the other, and brings it back', async () => {
    const load = startLoad(stack.url);
    for (const part of ['prometheus', 'redis-cache', 'redis-state', 'postgres']) await (await kill(part))();
    await load.stop();
    assert.deepEqual(load.failures.slice(0, 5), []);
    assertOnce(stack.upstream, load.answered);
    const query = `${stack.prometheus}/api/v1/query?query=sum(up{job="hub"})`;
    const targets = await waitFor(async () => {
      const answer = await fetch(query).catch(() => null);
      return /"2"\]/.test((await answer?.text()) ?? '') ? true : null;
    }, 30_000);
    assert.ok(targets, 'Prometheus knows the hubs again');
  });

  it('brings the balancer back, and kills and starts again what hangs', async () => {
    const all = await Promise.all([kill('nginx'), kill('hub-2', 'SIGSTOP')]);
    await Promise.all(all.map((back) => back()));
    await waitFor(async () => {
      const response = await fetch(`${stack.url}/health/ready`).catch(() => null);
      return response?.status === 200 ? response : null;
    });
  });

  it('is refused a second time in its folder, and at its ports, with the owner named', async (t) => {
    const words = ['up', '--detach', '--no-monitoring', '--port-offset', String(stack.offset)];
    const here = await runCli([...words, '--folder', stack.folder]);
    assert.equal(here.code, 1);
    assert.match(here.stderr, /A stack runs already in /);
    const elsewhere = await stackFolder(t);
    const there = await runCli([...words, '--folder', elsewhere]);
    assert.equal(there.code, 1);
    assert.match(there.stderr, /needs port \d+, which is taken by [\w-]+ \(process \d+\)/);
    assert.equal(
      (await stack.status()).parts.filter(({ state }) => state === 'ready').length,
      13,
      'the first one goes on',
    );
  });

  it('shows what a part wrote, and names the parts where there is no such one', async () => {
    const logs = await runCli(['logs', 'hub-1', '--lines', '5', '--folder', stack.folder]);
    assert.equal(logs.code, 0);
    assert.ok(logs.stdout.trim().split('\n').length <= 5 && logs.stdout.includes('"instance":"hub-1"'));
    const unknown = await runCli(['logs', 'hub-9', '--folder', stack.folder]);
    assert.match(unknown.stderr, /There is no part "hub-9"\. There are: postgres, /);
  });
});

describe('the end of a stack', { concurrency: true }, () => {
  it('leaves nothing running; and a killed supervisor’s processes are ended by the next one', async (t) => {
    const first = await startStack(t, ['--no-monitoring']);
    const words = ['--no-monitoring', '--port-offset', String(first.offset)];
    const { parts } = await first.status();
    const state: { pid: number } = JSON.parse(await readFile(path.join(first.folder, 'state.json'), 'utf8'));
    process.kill(state.pid, 'SIGKILL');
    const none = await runCli(['status', '--folder', first.folder]);
    assert.deepEqual([none.code, none.stderr.includes('No stack runs in')], [1, true]);
    const again = await runCli(['up', '--detach', '--folder', first.folder, ...words]);
    assert.equal(again.code, 0, again.stderr);
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
      [[...elsewhere, '--only', 'mongodb'], /^revoagent: There is no part "mongodb"\. There are: postgres, .+\n$/],
      [[...elsewhere, '--hubs', '11'], /^revoagent: A stack has 2 to 10 hubs, not 11\.\n$/],
      [
        [...elsewhere, '--folder', tiny],
        /^revoagent: The disk of \S+ has \d MB left, and a stack needs \d+ MB\. .+\n$/,
      ],
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
  const folder = await temporaryFolder(t);
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'tmpfs', folder], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  t.after(() => void spawnSync('umount', [folder]));
  return path.join(folder, 'stack');
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
