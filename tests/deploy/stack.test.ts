/** A stack that is renewed and scaled while callers go on: nobody notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import type { StackStatus } from '#stack/index';
import { runCli, waitFor } from '../helpers/hub-process.ts';
import { assertOnce, startLoad, startSockets } from '../helpers/load.ts';
import { startStack } from '../helpers/stack.ts';
import type { Stack } from '../helpers/stack.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { gate, streams } from '../helpers/upstream.ts';

describe('a stack', () => {
  const suite = forTheSuite();
  let stack: Stack;
  before(async () => {
    stack = await startStack(suite);
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

  it('takes up a changed configuration: the balancer follows it, hubs hear of it, and no stream is cut', async (t) => {
    const headers = { 'content-type': 'application/json' };
    const large = JSON.stringify('x'.repeat(22 * 1024 * 1024));
    const refusal = async (): Promise<string> =>
      (await fetch(`${stack.url}/api/chat`, { method: 'POST', headers, body: large })).text();
    assert.match(await refusal(), /than the balancer accepts/);
    const pids = await Promise.all(['nginx', 'hub-1', 'hub-2'].map((name) => stack.pidOf(name)));

    const rest = gate();
    t.after(() => rest.open());
    stack.upstream.script(streams(['first', ' last'], { gates: { 1: rest.opened } }));
    const stream = await fetch(`${stack.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Well?' }], stream: true }),
    });
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('first')) text += (await reader?.read())?.value ?? assert.fail(text);

    await stack.configure({ server: { bodyBytesMax: 30 * 1024 * 1024 }, logging: { level: 'warn' } });
    const reloaded = await runCli(['reload', '--folder', stack.folder]);
    assert.equal(reloaded.code, 0, reloaded.stderr);
    assert.match(reloaded.stdout, /nginx +reloaded[^]*hub-1 +reloaded[^]*hub-2 +reloaded/);
    const words = await waitFor(
      async () => ((said) => (said.includes('balancer') ? null : said))(await refusal()),
      20_000,
    );
    assert.match(words, /body_too_large/, 'the hub takes no larger one before it is started again, and says so itself');
    assert.equal((await fetch(`${stack.url}/health/ready`)).status, 200);

    rest.open();
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) text += part.value;
    assert.match(text, / last[^]*\[DONE\]/);
    assert.deepEqual(await Promise.all(['nginx', 'hub-1', 'hub-2'].map((name) => stack.pidOf(name))), pids);

    const again = await runCli(['reload', '--folder', stack.folder]);
    assert.match(again.stdout, /hub-1 +reloaded/);
    assert.doesNotMatch(again.stdout, /nginx/, 'it has nothing new to read');
  });

  it('takes up nothing that is invalid, by a reload or a renewal, and says all that is wrong', async () => {
    const pids = await Promise.all(['hub-1', 'hub-2'].map((name) => stack.pidOf(name)));
    await stack.configure({ server: { bodyBytesMax: 1 }, cache: { ttl: 5 } });
    for (const command of ['reload', 'deploy']) {
      const { code, stdout, stderr } = await runCli([command, '--folder', stack.folder]);
      assert.equal(code, 1);
      assert.match(stderr, /server\.bodyBytesMax[^]*cache\.ttl/);
      assert.equal(stdout, '', 'nobody was told');
    }
    await stack.configure({});
    // Now, and not with the next renewal: before 1.27.4 NGINX closes idle connections at a reload, and one of them may be in use just then.
    assert.equal((await runCli(['reload', '--folder', stack.folder])).code, 0);
    assert.deepEqual(await Promise.all(['hub-1', 'hub-2'].map((name) => stack.pidOf(name))), pids);
  });

  it('renews its hubs under load: no request fails, none is done twice, no stream is cut', async () => {
    const earlier = await stack.status();
    const load = startLoad(stack.url);
    const sockets = await startSockets(stack.url, 20);
    const deployed = await runCli(['deploy', '--settle', '1', '--folder', stack.folder], { withinMs: 150_000 });
    await load.stop();
    const homes = await waitFor(() => (sockets.homes().includes(null) ? null : sockets.homes()));
    await sockets.stop();
    assert.equal(deployed.code, 0, deployed.stderr);
    assert.ok(sockets.backMs.length >= homes.length, 'each socket lost its hub once at least, and found one');
    assert.deepEqual(sockets.refused, []);
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

  it('scales up and down under load, and none fails', async () => {
    const load = startLoad(stack.url);
    // By one hub: each that comes or goes does so as the one before it.
    const more = await runCli(['scale', '3', '--folder', stack.folder]);
    assert.equal(more.code, 0, more.stderr);
    assert.equal((await stack.status()).hubs, 3);
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
