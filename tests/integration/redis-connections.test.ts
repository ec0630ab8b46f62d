/**
 * Real Redis servers of every kind that the hub may be pointed at: over TLS with a user of its own, behind sentinels that fail over, a
 * node of a cluster, and with the configurations that are shipped.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectRedis, createCache, RedisRefusedError, RedisTier } from '#cache/index';
import type { Cache, RedisOptions } from '#cache/index';
import { makeCertificates } from '../helpers/certificates.ts';
import { temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { startRedis } from '../helpers/redis.ts';
import type { RedisSettings, TestRedis } from '../helpers/redis.ts';

const PAGE = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
const FAILOVER_MS = 30_000;

async function start(t: TestContext, settings: RedisSettings = {}): Promise<TestRedis> {
  const redis = await startRedis(settings);
  t.after(() => redis.close());
  return redis;
}

interface Instance {
  readonly cache: Cache;
  readonly tier: RedisTier;
  readonly told: Error[];
}

/** One instance, whose deadlines are no matter here. */
function instance(t: TestContext, options: RedisOptions): Instance {
  const told: Error[] = [];
  const port = connectRedis({ ...options, onError: (error) => told.push(error) });
  const tier = new RedisTier(port, { namespace: 'kinds', limits: { readMs: 5_000, writeMs: 5_000 } });
  const cache = createCache({ namespace: 'kinds', tiers: [tier] });
  t.after(() => cache.close());
  return { cache, tier, told };
}

const answers = ({ tier }: Instance, withinMs?: number): Promise<unknown> =>
  waitFor(() => tier.position().catch(() => undefined), withinMs);

const tells = ({ told }: Instance, what: RegExp): Promise<Error> =>
  waitFor(() => told.find(({ message }) => what.test(message)));

describe('over TLS, as a user that may do no more than docs/redis.md says', () => {
  const [, user = ''] = /```acl\nuser hub (.*)\n```/.exec(PAGE) ?? assert.fail('docs/redis.md has no user');

  it('keeps, reads and announces; another authority and another password are refused with the reason', async (t) => {
    const certificates = makeCertificates(t);
    const tls = ['--tls-cert-file', certificates.certFile, '--tls-key-file', certificates.keyFile];
    const { ca } = certificates;
    const redis = await start(t, {
      args: ['--tls-auth-clients', 'no', ...tls, '--user', 'hub', ...user.split(' '), '--user', 'default', 'off'],
      tls: true,
      client: { tls: { ca }, username: 'hub', password: 'the-password' },
    });
    const url = `rediss://hub:the-password@localhost:${redis.port}`;
    const one = instance(t, { url, tls: { ca } });
    const other = instance(t, { url, tls: { ca } });
    await Promise.all([answers(one), answers(other)]);
    await one.cache.set('k', 'kept', { tags: ['t'] });
    assert.equal(await other.cache.getOrSet('k', () => 'not made'), 'kept');
    await one.cache.deleteTag('t');
    await waitFor(() => (other.cache.peek('k') === undefined ? true : undefined));
    assert.equal(await other.cache.getOrSet('made', () => 'made'), 'made');
    // Stored behind its answer.
    await waitFor(async () => ((await one.cache.get('made')) === 'made' ? true : undefined));

    await tells(instance(t, { url, tls: {} }), /self-signed|unable to/i);
    const intruder = instance(t, { url: url.replace('the-password', 'wrong'), tls: { ca } });
    await tells(intruder, /WRONGPASS/);
    assert.equal(await intruder.cache.getOrSet('k', () => 'alone'), 'alone');
  });
});

describe('behind sentinels', () => {
  it('follows a failover to the new primary, and knows what the old one had', async (t) => {
    const primary = await start(t);
    const replica = await start(t, { args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'sentinel.conf');
    writeFileSync(
      file,
      `sentinel monitor main 127.0.0.1 ${primary.port} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 5000
requirepass watch
`,
    );
    const sentinel = await start(t, { file, sentinel: true, client: { password: 'watch' } });
    // The first does not answer: the next is asked.
    const sentinels = `127.0.0.1:1,127.0.0.1:${sentinel.port}`;
    const one = instance(t, { url: `redis-sentinel://${sentinels}/main?sentinelPassword=watch` });
    await answers(one);
    await one.cache.set('k', 'kept');
    await waitFor(async () =>
      (await replica.command('EXISTS', 'revoagent:cache:kinds:e:k')) === 1 ? true : undefined,
    );
    await waitFor(async () =>
      String(await sentinel.command('SENTINEL', 'REPLICAS', 'main')).includes(String(replica.port)) ? true : undefined,
    );
    await primary.kill();
    // Who is promoted hangs up on its clients.
    const role = async (): Promise<string> => String(await replica.command('ROLE').catch(() => ''));
    await waitFor(async () => ((await role()).startsWith('master') ? true : undefined), FAILOVER_MS);
    const after = await waitFor(async () => (await one.tier.position().catch(() => undefined))?.number, FAILOVER_MS);
    assert.ok(after >= 1, 'its numbering went on');
    await one.cache.set('new', 'primary');
    assert.equal(await replica.command('EXISTS', 'revoagent:cache:kinds:e:new'), 1);
  });
});

describe('a primary that is made a replica while it stays connected', () => {
  it('is left for the one that its name stands for then', async (t) => {
    const primary = await start(t);
    const replica = await start(t, { args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    // As a name that a managed Redis moves to another server: who is connected stays where he is.
    let behind = primary.port;
    const name = createServer((client) => {
      const server = connect(behind, '127.0.0.1');
      client.on('error', () => server.destroy()).pipe(server);
      server.on('error', () => client.destroy()).pipe(client);
    }).listen(0, '127.0.0.1');
    t.after(() => name.close());
    await once(name, 'listening');
    const { port } = name.address() as AddressInfo;
    const one = instance(t, { url: `redis://127.0.0.1:${port}` });
    await answers(one);
    await replica.command('REPLICAOF', 'NO', 'ONE');
    await primary.command('REPLICAOF', '127.0.0.1', replica.port);
    behind = replica.port;
    await waitFor(async () => {
      await one.cache.set('k', 'kept').catch(() => undefined);
      return (await replica.command('EXISTS', 'revoagent:cache:kinds:e:k')) === 1 ? true : undefined;
    });
  });
});

describe('a node of a cluster', () => {
  it('is refused with the reason, and its callers are served without it', async (t) => {
    const redis = await start(t, { args: ['--cluster-enabled', 'yes'] });
    const one = instance(t, { url: redis.url });
    const error = await tells(one, /cluster_enabled:1.*not supported/);
    assert.ok(error instanceof RedisRefusedError);
    // Both connections find out for themselves, and the one that was told of may be the other.
    await waitFor(async () => {
      const thrown = await one.tier.position().catch((reason: unknown) => reason);
      return thrown instanceof RedisRefusedError || undefined;
    });
    assert.equal(await one.cache.getOrSet('k', () => 'made'), 'made');
  });
});

describe('the configurations that are shipped', () => {
  const shipped = (name: string): string => fileURLToPath(new URL(`../../deploy/redis/${name}.conf`, import.meta.url));
  const setting = async (redis: TestRedis, name: string): Promise<string> => {
    const reply = await redis.command('CONFIG', 'GET', name);
    return String(Array.isArray(reply) ? reply[1] : Object.values(Object(reply))[0]);
  };

  it('cache.conf evicts, keeps nothing on disk, and is refused nothing by; as state it is told of', async (t) => {
    const redis = await start(t, { file: shipped('cache') });
    assert.equal(await setting(redis, 'maxmemory-policy'), 'allkeys-lfu');
    assert.equal(await setting(redis, 'appendonly'), 'no');
    assert.notEqual(await setting(redis, 'maxmemory'), '0');
    const one = instance(t, { url: redis.url });
    await answers(one);
    await one.cache.set('k', 'kept');
    assert.equal(await redis.command('EXISTS', 'revoagent:cache:kinds:e:k'), 1);
    await tells(instance(t, { url: redis.url, mustKeep: true }), /maxmemory-policy noeviction/);
  });

  it('state.conf evicts nothing, and what was written before a kill -9 is there after it', async (t) => {
    const redis = await start(t, { file: shipped('state') });
    assert.equal(await setting(redis, 'maxmemory-policy'), 'noeviction');
    const one = instance(t, { url: redis.url, mustKeep: true });
    await answers(one);
    await redis.command('SET', 'revoagent:kept', 'yes');
    await redis.restart();
    assert.equal(await redis.command('GET', 'revoagent:kept'), 'yes');
    await answers(one);
    assert.ok(!one.told.some(({ message }) => message.includes('noeviction')));
  });
});
