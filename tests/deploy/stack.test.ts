/** A stack that is renewed and scaled while callers go on: nobody notices. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import type { StackStatus } from '#stack/index';
import { runCli, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { startLoad } from '../helpers/load.ts';
import { startStack } from '../helpers/stack.ts';
import type { Stack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';
import type { Upstream } from '../helpers/upstream.ts';

const OFFSET = 10_000;

/** Every id that was answered was asked once of the upstream, and no id twice. */
function assertOnce(upstream: Upstream, answered: ReadonlySet<string>): void {
  const seen = new Map<string, number>();
  for (const { body } of upstream.received) {
    const [message] = body['messages'] as { content: string }[];
    seen.set(message?.content ?? '', (seen.get(message?.content ?? '') ?? 0) + 1);
  }
  assert.deepEqual(
    [...seen].filter(([, times]) => times > 1),
    [],
    'asked twice',
  );
  assert.deepEqual(
    [...answered].filter((id) => !seen.has(id)),
    [],
  );
}

describe('a stack', () => {
  const suite = forTheSuite();
  let stack: Stack;
  before(async () => {
    stack = await startStack(suite, OFFSET);
  });

  it('is all ready after `up`: hubs behind the balancer, and Prometheus sees each part', async () => {
    const { parts, hubs } = await stack.status();
    assert.equal(hubs, 2);
    assert.deepEqual(
      parts.filter(({ state }) => state !== 'ready'),
      [],
    );
    assert.equal((await fetch(`${stack.url}/health/ready`)).status, 200);
    const url = `${stack.prometheus}/api/v1/query?query=up`;
    const jobs = await waitFor(
      async () => {
        const answer = (await (await fetch(url)).json()) as {
          data: { result: { metric: { job: string; instance: string }; value: [number, string] }[] };
        };
        const up = answer.data.result.filter(({ value }) => value[1] === '1').map(({ metric }) => metric);
        return up.length >= 9 ? up : null;
      },
      30_000,
      () => 'Prometheus does not see all parts',
    );
    assert.deepEqual(
      new Set(jobs.map(({ job }) => job)),
      new Set(['hub', 'node', 'redis-cache', 'redis-state', 'postgres', 'nginx', 'prometheus', 'alertmanager']),
    );
    assert.deepEqual(
      jobs
        .filter(({ job }) => job === 'hub')
        .map(({ instance }) => instance)
        .toSorted(),
      ['hub-1', 'hub-2'],
    );
  });

  it('brings a socket back to the hub that it was on', async () => {
    const routeOf = async (cookie: string | null): Promise<string> => {
      const url = `${stack.url.replace('http', 'ws')}/ws/chat`;
      const socket = new WebSocket(url, cookie === null ? {} : { headers: { cookie } });
      const [response] = (await once(socket, 'upgrade')) as [IncomingMessage];
      socket.terminate();
      return /^revoagent_route=[\w-]+/.exec(response.headers['set-cookie']?.[0] ?? '')?.[0] ?? 'none';
    };
    for (const hub of ['hub-1', 'hub-2'])
      for (let at = 0; at < 10; at++) assert.equal(await routeOf(`revoagent_route=${hub}`), `revoagent_route=${hub}`);
    assert.match(await routeOf(null), /^revoagent_route=hub-[12]$/);
  });

  it('renews its hubs under load: no request fails, none is done twice, no stream is cut', async () => {
    const earlier = await stack.status();
    const load = startLoad(stack.url);
    const deployed = await runCli(['deploy', '--settle', '1', '--folder', stack.folder]);
    await load.stop();
    assert.equal(deployed.code, 0, deployed.stderr);
    assert.deepEqual(load.failures.slice(0, 5), []);
    assertOnce(stack.upstream, load.answered);
    assert.ok(load.done.gets > 100 && load.done.posts > 100 && load.done.streams > 100, JSON.stringify(load.done));
    const after = await stack.status();
    for (const name of ['hub-1', 'hub-2']) {
      const pid = (status: StackStatus): number | null | undefined =>
        status.parts.find((part) => part.name === name)?.pid;
      assert.notEqual(pid(after), pid(earlier), `${name} is another process`);
    }
  });

  it('takes a version back that does not get ready, and nobody notices', async (t) => {
    const broken = await temporaryFolder(t);
    await mkdir(path.join(broken, 'bin'));
    await writeFile(
      path.join(broken, 'bin', 'revoagent.js'),
      "console.error('this version is broken'); process.exit(1);\n",
    );
    const load = startLoad(stack.url);
    const deployed = await runCli(['deploy', '--settle', '0', '--from', broken, '--folder', stack.folder]);
    await load.stop();
    assert.equal(deployed.code, 1);
    assert.match(deployed.stderr, /rolled back: hub-1 ended with 1:[^]*this version is broken/);
    assert.deepEqual(load.failures.slice(0, 5), []);
    assert.equal(
      (await stack.status()).parts.filter(({ name, state }) => name.startsWith('hub') && state === 'ready').length,
      2,
    );
  });

  it('scales up and down under load, and none fails', async () => {
    const load = startLoad(stack.url);
    const more = await runCli(['scale', '4', '--folder', stack.folder]);
    assert.equal(more.code, 0, more.stderr);
    assert.equal((await stack.status()).hubs, 4);
    const fewer = await runCli(['scale', '2', '--folder', stack.folder]);
    assert.equal(fewer.code, 0, fewer.stderr);
    await load.stop();
    assert.deepEqual(load.failures.slice(0, 5), []);
    assertOnce(stack.upstream, load.answered);
    const shown = await runCli(['status', '--folder', stack.folder]);
    assert.match(shown.stdout, /^hub-2 +ready/m);
    const refused = await runCli(['scale', '11', '--folder', stack.folder]);
    assert.deepEqual([refused.code, refused.stderr], [1, 'revoagent: A stack has 2 to 10 hubs, not 11.\n']);
  });
});
