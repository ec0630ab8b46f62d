/** A stack whose parts are killed and hang, and its end: what is needed is brought back, and nothing is left behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { runCli, waitFor } from '../helpers/hub-process.ts';
import { stackFolder, startStack } from '../helpers/stack.ts';
import type { Stack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';

const OFFSET = 12_000;

describe('a stack', () => {
  const suite = forTheSuite();
  let stack: Stack;
  before(async () => {
    stack = await startStack(suite, OFFSET);
  });

  it('brings back whatever is killed, and kills and starts again what hangs', async () => {
    const again = async (part: string, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> => {
      const pid = await stack.pidOf(part);
      process.kill(pid, signal);
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
    await Promise.all([
      again('hub-2', 'SIGSTOP'),
      ...['hub-1', 'redis-cache', 'prometheus', 'nginx'].map((part) => again(part, 'SIGKILL')),
    ]);
    await again('postgres', 'SIGKILL');
    await waitFor(async () => {
      const response = await fetch(`${stack.url}/health/ready`).catch(() => null);
      return response?.status === 200 ? response : null;
    });
  });

  it('is refused a second time in its folder, and at its ports, with the owner named', async (t) => {
    const words = ['up', '--detach', '--no-monitoring', '--port-offset', String(OFFSET)];
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
    const words = ['--no-monitoring', '--port-offset', String(OFFSET + 2_000)];
    const first = await startStack(t, OFFSET + 2_000, ['--no-monitoring']);
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

  it('that cannot start is all of it', async (t) => {
    const taken = createServer().listen(12_379 + OFFSET + 4_000, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const folder = await stackFolder(t);
    const words = ['--folder', folder, '--no-monitoring', '--port-offset', String(OFFSET + 4_000)];
    const up = await runCli(['up', ...words]);
    assert.equal(up.code, 1);
    assert.match(up.stderr, /redis-cache needs port \d+, which is taken by node[\w-]* \(process \d+\)/);
    const port = 12_432 + OFFSET + 4_000;
    const free = createServer().listen(port, '127.0.0.1');
    await once(free, 'listening');
    free.close();
  });
});

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
