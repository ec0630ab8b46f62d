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
