/** What is said of ports that are taken: who has them, and an offset that helps. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { portProblems } from './ports.ts';

it('a port that is taken comes with another offset than the one it has, with which it is free', async (t) => {
  const listen = async (port: number): Promise<number> => {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  };
  const taken = await listen(0);
  const parts = [{ name: 'redis-cache', binds: [`127.0.0.1:${taken}`] }];
  const base = taken - 1_000;
  const offered = async (given: number): Promise<number> => {
    const [problem = assert.fail('nothing is said of it')] = await portProblems(parts, given);
    assert.match(problem, /^redis-cache needs port \d+, which is taken by \S+ \(process \d+\)\. End that/);
    return Number(/--port-offset (\d+)$/.exec(problem)?.[1] ?? assert.fail(problem));
  };
  const offset = await offered(1_000);
  assert.notEqual(offset, 1_000);
  assert.deepEqual(await portProblems([{ name: 'redis-cache', binds: [`127.0.0.1:${base + offset}`] }], offset), []);
  await listen(base + offset);
  assert.notEqual(await offered(1_000), offset, 'that one is taken too now');
});

it('a port that browsers and fetch refuse to call is none, and no offset leads there', async (t) => {
  const parts = [{ name: 'nginx', binds: ['127.0.0.1:10080'] }];
  await assert.rejects(fetch('http://127.0.0.1:10080'), { cause: new Error('bad port') });
  const [problem = ''] = await portProblems(parts, 9_080);
  assert.match(
    problem,
    /^nginx would listen on port 10080, which browsers and fetch refuse to call\. Move all ports: --port-offset/,
  );
  // 9_080 and 1_000 more would be 10080.
  const busy = createServer().listen(9_080, '127.0.0.1');
  // Where another program has it, it is taken all the same.
  await once(busy, 'listening').catch(() => undefined);
  t.after(() => busy.close());
  const [taken = ''] = await portProblems([{ name: 'nginx', binds: ['127.0.0.1:9080'] }], 0);
  assert.match(taken, /--port-offset (?:[2-9]|1\d)000$/);
});

it('two parts at one address are told so, and no other program is blamed', async () => {
  const parts = ['nginx', 'prometheus'].map((name) => ({ name, binds: ['127.0.0.1:9090'] }));
  assert.deepEqual(await portProblems(parts, 0), ['nginx and prometheus both need 127.0.0.1:9090: move one of them.']);
});

it('what is no address is told so', async () => {
  const binds = ['127.0.0.1', ':80', '127.0.0.1:x', '127.0.0.1:0', '127.0.0.1:65536'];
  assert.deepEqual(
    await portProblems([{ name: 'nginx', binds }], 0),
    binds.map((address) => `nginx cannot listen on "${address}": that is no host:port.`),
  );
});
