/** A stack whose parts are killed and hang, under load: what can be served is served, and what is needed is brought back. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { runCli, waitFor } from '../helpers/hub-process.ts';
import { assertOnce, startLoad, startSockets } from '../helpers/load.ts';
import { stackFolder, startStack } from '../helpers/stack.ts';
import type { Stack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';

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
