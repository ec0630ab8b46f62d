/**
 * Several hubs whose attempts are reserved in a real Redis: what one of them leaves behind when it is killed with its disk, another
 * writes. Every call that the upstream saw has one row.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import {
  assertHonest,
  assertOneRowACall,
  CALLERS,
  configFor,
  modelsOnDisk,
  rowsOf,
  sendAll,
} from '../helpers/ledger-calls.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { answers, startUpstream } from '../helpers/upstream.ts';

/** The long form (`npm run matrix`) has ten. */
const HUBS = Number(process.env['REVOAGENT_TEST_HUBS'] ?? '2');
/** From each hub, sixteen at a time. The kill comes when the victim has had a third of its own, and nobody is through. */
const SHARE = 100;
const KILL_AT = 30 * HUBS;

describe('kill -9 of one of several hubs that share a Redis', () => {
  it('leaves one row for each call the upstream saw, though its disk is gone and Redis was empty once', async (t) => {
    const [postgres, redis, upstream] = await Promise.all([startPostgres(), startRedis(), startUpstream(t)]);
    t.after(() => Promise.all([postgres.close(), redis.close()]));
    const config = { ...configFor(upstream, { url: postgres.url }), redis: { stateUrl: redis.url } };
    const hubs: HubProcess[] = [];
    for (let hub = 0; hub < HUBS; hub++) hubs.push(await startHubProcess(t, { config }));
    const [victim, survivor] = hubs;
    assert.ok(victim !== undefined && survivor !== undefined);
    await waitFor(async () => ((await redis.command('ZCARD', 'revoagent:ledger:owners')) === HUBS ? true : null));
    // What is under way when Redis comes back empty is written there anew, before anybody is killed.
    const { promise: open, resolve: opens } = Promise.withResolvers<void>();
    upstream.otherwise = async (exchange) => {
      await open;
      return answers()(exchange);
    };
    const before = upstream.received.length;
    const underWay = sendAll(victim, 0, CALLERS);
    await waitFor(() => (upstream.received.length === before + CALLERS ? true : null));
    await redis.restart();
    await waitFor(async () =>
      (await redis.command('HLEN', await hashWith(redis, CALLERS))) === CALLERS ? true : null,
    );
    const killAt = upstream.received.length + KILL_AT;
    opens();
    await underWay;
    upstream.otherwise = (exchange) => {
      if (upstream.received.length === killAt) victim.process.kill('SIGKILL');
      return answers()(exchange);
    };
    await Promise.all(hubs.map((hub, number) => sendAll(hub, 100 + number * SHARE, 100 + (number + 1) * SHARE)));
    assert.equal(await victim.end('SIGKILL'), null);
    const lost = await modelsOnDisk(victim);
    await rm(victim.dataDir, { recursive: true, force: true });
    await waitFor(() => (hubs.some((hub) => hub.output().includes('"reservations-adopted"')) ? true : null), 30_000);
    for (const hub of hubs.slice(1)) assert.equal(await hub.end('SIGTERM'), 0, hub.output());
    const pool = { mode: 'session' as const, max: 2, waitMs: 2_000, idleMs: 30_000, statementTimeoutMs: 2_000 };
    const rows = await rowsOf({ kind: 'postgres', url: postgres.url, pool });
    assertOneRowACall(upstream, rows, lost);
    assertHonest(rows);
    assert.deepEqual(await redis.command('KEYS', 'revoagent:ledger:*-*'), [], 'no reservation is left');
  });
});

/** The reservations of the hub that has so many. */
async function hashWith(redis: TestRedis, count: number): Promise<string> {
  const keys = await redis.command('KEYS', 'revoagent:ledger:*-*');
  for (const key of Array.isArray(keys) ? keys.map(String) : [])
    if ((await redis.command('HLEN', key)) === count) return key;
  return 'none';
}
