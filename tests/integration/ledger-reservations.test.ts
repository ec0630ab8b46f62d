/** The ledger's reservations in Redis, with a database that can be away and a clock that the test moves. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { seededRandom } from '#core/random';
import { connectRedis, RedisNotSentError } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { attempt, ledgerBench, never, passes, segments } from '../helpers/ledger-bench.ts';
import type { LedgerBench } from '../helpers/ledger-bench.ts';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';

type Attempt = ReturnType<typeof attempt>;

/** The journal of a hub that died. */
function journalled(folder: string, open: readonly Attempt[], settled: readonly Attempt[] = []): void {
  mkdirSync(folder);
  const dispatches = [...open, ...settled].map(({ dispatch }) => dispatch);
  const ends = settled.map(({ dispatch, settlement }) => ({ of: dispatch.id, ...settlement }));
  const lines = [...dispatches, ...ends].map((line) => `${JSON.stringify(line)}\n`);
  writeFileSync(path.join(folder, '00000001.log'), lines.join(''));
}

async function openRedis(t: TestContext): Promise<{ redis: TestRedis; port: RedisPort }> {
  const redis = await startRedis();
  const random = seededRandom(2);
  const port = connectRedis({ url: redis.url, name: 'test', mustKeep: false, random, onError: () => undefined });
  t.after(async () => {
    port.close();
    await redis.close();
  });
  return { redis, port };
}

/**
 * A hub that died while Redis was slow: two attempts are in its journal and in Redis, and either knows how one of them ended. Another hub
 * has read both while the database was away.
 */
async function leftInBoth(t: TestContext) {
  const { redis, port } = await openRedis(t);
  const reserved = async (owner: string, open: readonly Attempt[], settled: readonly Attempt[] = []): Promise<void> => {
    const rows = settled.map(({ dispatch, settlement }) => ({ ...dispatch, ...settlement, state: 'settled' }));
    const entries = [...open.map(({ dispatch }) => dispatch), ...rows].map((entry) => [
      entry.id,
      JSON.stringify(entry),
    ]);
    await redis.command('HSET', `revoagent:ledger:${owner}`, ...entries.flat());
    await redis.command('ZADD', 'revoagent:ledger:owners', 1, owner);
  };
  const [here, there, journalOnly, redisOnly] = [attempt(), attempt(), attempt(), attempt()];
  const folder = await temporaryFolder(t);
  journalled(path.join(folder, 'hub-dead'), [there, journalOnly], [here]);
  await reserved('dead', [here, redisOnly], [there]);
  const one = await ledgerBench(t, { folder, redis: port });
  one.database.away = true;
  await passes(one, () => one.ledger.backlog === 4);
  return { one, redis, reserved, settled: [here, there], open: [journalOnly, redisOnly] };
}

it('an attempt that ended before Redis took it is written, and no line of it is left in the journal', async (t) => {
  const none = (): void => undefined;
  const run: RedisPort['run'] = async ({ name }) =>
    name === 'ledger-put' ? new Promise(none) : Number(name === 'ledger-beat');
  const one = await ledgerBench(t, { redis: { run, subscribe: none, onReady: none, close: none } });
  await one.clock.advance(0);
  const { dispatch, settlement } = attempt({ outcome: 'superseded' });
  const entry = one.ledger.dispatched(dispatch);
  assert.ok(entry.recorded !== undefined, 'Redis is asked');
  entry.settled(settlement);
  await passes(one, () => one.database.rows.size === 1);
  await entry.recorded;
  one.ledger.secure();
  assert.deepEqual([one.ledger.journalBytes, segments(one.own)], [0, []]);
});

it('an attempt that is in the journal and in Redis has one row, settled where either of them knows its end', async (t) => {
  const { one, settled, open } = await leftInBoth(t);
  one.database.away = false;
  await passes(one, () => one.database.rows.size === 4);
  for (const { dispatch, settlement } of settled)
    assert.deepEqual(one.database.rows.get(dispatch.id), { ...dispatch, ...settlement, state: 'settled' });
  for (const { dispatch } of open) assert.equal(one.database.rows.get(dispatch.id)?.state, 'interrupted');
  assert.deepEqual(one.told, { written: 4, dropped: 0, unjournalled: 0 });
});

it('an attempt that is in the journal and in Redis keeps neither from being done with, nor hubs that die later from being taken over', async (t) => {
  const { one, redis, reserved } = await leftInBoth(t);
  one.database.away = false;
  await passes(one, () => !readdirSync(one.folder).includes('hub-dead'));
  await waitFor(async () => ((await redis.command('EXISTS', 'revoagent:ledger:dead')) === 0 ? true : null));
  journalled(path.join(one.folder, 'hub-dead-later'), [attempt()]);
  await reserved('dead-later', [attempt()]);
  await passes(one, () => one.database.rows.size === 6 && !readdirSync(one.folder).includes('hub-dead-later'));
});

it('attempts of which Redis was not told are in the journal alone: nothing of them is kept until it is back', async (t) => {
  const none = (): void => undefined;
  const forgotten: unknown[] = [];
  let away = true;
  const run: RedisPort['run'] = async ({ name }, _keys, args) => {
    if (name === 'ledger-put' && away) throw new RedisNotSentError('away');
    if (name === 'ledger-forget') forgotten.push(...args);
    return name === 'ledger-put'
      ? args
          .slice(1)
          .filter((_, at) => at % 2 === 0)
          .map(() => 1)
      : 0;
  };
  const one = await ledgerBench(t, { redis: { run, subscribe: none, onReady: none, close: none } });
  await one.clock.advance(0);
  const goes = async (): Promise<string> => {
    const { dispatch, settlement } = attempt();
    const entry = one.ledger.dispatched(dispatch);
    await entry.recorded;
    one.ledger.secure();
    entry.settled(settlement);
    return dispatch.id;
  };
  await goes();
  assert.ok(one.ledger.journalBytes > 0);
  away = false;
  const second = await goes();
  await passes(one, () => one.database.rows.size === 2 && forgotten.length > 0);
  assert.deepEqual(forgotten, [second]);
});

const OWNERS = 'revoagent:ledger:owners';
const hashOf = (incarnation: string): string => `revoagent:ledger:${incarnation}`;

/** A ledger that Redis knows. */
async function reserving(
  t: TestContext,
  redis: TestRedis,
  given: Parameters<typeof ledgerBench>[1] & { readonly redis: RedisPort },
): Promise<LedgerBench> {
  const one = await ledgerBench(t, given);
  await comes(one, async () => (await redis.command('ZSCORE', OWNERS, given.incarnation ?? 'one')) !== null);
  return one;
}

/** Lets a beat go by again and again, until it is so. */
async function comes({ clock }: LedgerBench, ask: () => Promise<boolean>): Promise<void> {
  await waitFor(async () => {
    await clock.advance(2_500);
    return (await ask()) ? true : null;
  });
}

/** Goes out reserved; `end` settles it. */
async function goesOut({ ledger }: LedgerBench, made = attempt()): Promise<Attempt & { end(): void }> {
  const entry = ledger.dispatched(made.dispatch);
  await entry.recorded;
  ledger.secure();
  return { ...made, end: () => entry.settled(made.settlement) };
}

it('a Redis that comes back empty is told anew what is under way, and what has ended and is not in the database yet', async (t) => {
  const { redis, port } = await openRedis(t);
  const one = await reserving(t, redis, { redis: port });
  one.database.away = true;
  const [open, ended] = [await goesOut(one), await goesOut(one)];
  ended.end();
  const kept = async ({ dispatch: { id } }: Attempt): Promise<unknown> =>
    JSON.parse(String(await redis.command('HGET', hashOf('one'), id)));
  const row = { ...ended.dispatch, ...ended.settlement, state: 'settled' };
  for (const empties of [false, true]) {
    if (empties) await redis.command('FLUSHALL');
    await comes(one, async () => isDeepStrictEqual(await kept(ended), row));
    assert.deepEqual([await kept(open), one.ledger.reserved], [open.dispatch, 2]);
  }
  one.database.away = false;
  open.end();
  await comes(one, async () => (await redis.command('EXISTS', hashOf('one'))) === 0);
  assert.deepEqual([one.database.rows.size, one.ledger.reserved, segments(one.own)], [2, 0, []]);
});

it('what finds no room among 50,000 reservations is in the journal, and what is there is still told how it ended', async (t) => {
  const { redis, port } = await openRedis(t);
  const one = await reserving(t, redis, { redis: port });
  one.database.away = true;
  const first = await goesOut(one);
  const fill = `for i = 1, 49998 do redis.call('HSET', KEYS[1], 'x' .. i, '') end`;
  await redis.command('EVAL', fill, '1', hashOf('one'));
  const [last, over] = await Promise.all([goesOut(one), goesOut(one)]);
  const inRedis = async (): Promise<unknown[]> =>
    Promise.all([first, last, over].map(({ dispatch }) => redis.command('HEXISTS', hashOf('one'), dispatch.id)));
  assert.deepEqual(await inRedis(), [1, 1, 0]);
  assert.deepEqual([one.told.unjournalled, segments(one.own).length], [0, 1]);
  for (const each of [first, last, over]) each.end();
  await comes(one, async () =>
    String(await redis.command('HGET', hashOf('one'), last.dispatch.id)).includes('"state":"settled"'),
  );
  assert.deepEqual(await inRedis(), [1, 1, 0]);
  one.database.away = false;
  await comes(one, async () => JSON.stringify(await inRedis()) === '[0,0,0]');
  assert.equal(one.database.rows.size, 3);
  await one.ledger.close(never);
  assert.deepEqual(readdirSync(one.folder), []);
});

it('what a dead hub left in Redis is written: settled as it was, else as interrupted; what nobody can read is passed over', async (t) => {
  const { redis, port } = await openRedis(t);
  const one = await ledgerBench(t, { redis: port, rowsMax: 2_000 });
  const all = Array.from({ length: 1_200 }, () => attempt());
  const fields = all.flatMap(({ dispatch, settlement }, place) => [
    dispatch.id,
    JSON.stringify(place % 2 === 0 ? { ...dispatch, ...settlement, state: 'settled' } : dispatch),
  ]);
  await redis.command('HSET', hashOf('dead'), ...fields, 'torn', '{"id":"to');
  await redis.command('ZADD', OWNERS, '1', 'dead');
  await comes(one, async () => (await redis.command('ZSCORE', OWNERS, 'dead')) === null);
  assert.equal(await redis.command('EXISTS', hashOf('dead')), 0);
  assert.deepEqual(one.told, { written: 1_200, dropped: 0, unjournalled: 0 });
  for (const [place, { dispatch }] of all.entries())
    assert.equal(one.database.rows.get(dispatch.id)?.state, place % 2 === 0 ? 'settled' : 'interrupted');
});

it('one hub takes a dead one over, another goes on where it does not come to an end, and none takes over who lives', async (t) => {
  const { redis, port } = await openRedis(t);
  const one = await reserving(t, redis, { redis: port });
  const two = await reserving(t, redis, { redis: port, incarnation: 'two' });
  const [ofOne, ofTwo] = [await goesOut(one), await goesOut(two)];
  one.database.away = true;
  const left = attempt();
  await redis.command('HSET', hashOf('dead'), left.dispatch.id, JSON.stringify(left.dispatch));
  await redis.command('ZADD', OWNERS, '1', 'dead');
  await comes(one, async () => one.ledger.backlog === 1);
  for (let beat = 0; beat < 3; beat++) await comes(two, async () => (await redis.command('PING')) !== null);
  assert.equal(two.database.rows.size, 0, 'it is being taken over');
  // As when its time is over.
  await redis.command('ZADD', OWNERS, '1', 'dead');
  await comes(two, async () => (await redis.command('ZSCORE', OWNERS, 'dead')) === null);
  assert.deepEqual([...two.database.rows.keys()], [left.dispatch.id]);
  one.database.away = false;
  ofOne.end();
  ofTwo.end();
  for (const each of [one, two]) await comes(each, async () => each.ledger.backlog === 0 && each.ledger.reserved === 0);
  assert.deepEqual([...one.database.rows.keys()].toSorted(), [left.dispatch.id, ofOne.dispatch.id].toSorted());
  for (const { database } of [one, two])
    for (const { id, state } of database.rows.values())
      assert.equal(state, id === left.dispatch.id ? 'interrupted' : 'settled');
});

it('rows that memory has no room for wait in Redis, and are written when the database is back', async (t) => {
  const { redis, port } = await openRedis(t);
  // More than a replay hands over at once.
  const one = await reserving(t, redis, { redis: port, rowsMax: 600 });
  one.database.away = true;
  const open = await goesOut(one);
  const made = await Promise.all(
    Array.from({ length: 1_500 }, (_, tokens) => goesOut(one, attempt({ promptTokens: tokens }))),
  );
  for (const each of made) each.end();
  assert.deepEqual([one.ledger.backlog, one.told.dropped, one.ledger.journalBytes], [600, 0, 0]);
  one.database.away = false;
  await comes(one, async () => (await redis.command('HLEN', hashOf('one'))) === 1);
  for (const { dispatch, settlement } of made)
    assert.deepEqual(one.database.rows.get(dispatch.id), { ...dispatch, ...settlement, state: 'settled' });
  assert.equal(one.database.rows.has(open.dispatch.id), false, 'it is under way');
});

it('an end that Redis is still being told is waited for before rows are read from it again', async (t) => {
  const { redis, port } = await openRedis(t);
  const { promise: told, resolve: tells } = Promise.withResolvers<void>();
  const run: RedisPort['run'] = async (script, keys, args) => {
    if (script.name === 'ledger-put' && args.some((arg) => String(arg).includes('"settled"'))) await told;
    return port.run(script, keys, args);
  };
  const one = await reserving(t, redis, { redis: { ...port, run }, rowsMax: 600 });
  one.database.away = true;
  const made = await Promise.all(Array.from({ length: 650 }, () => goesOut(one)));
  for (const each of made) each.end();
  one.database.away = false;
  await comes(one, async () => one.database.rows.size >= 600);
  // Time enough for what would not wait.
  for (let beat = 0; beat < 5; beat++) await comes(one, async () => (await redis.command('PING')) !== null);
  assert.equal(one.database.rows.size, 600);
  tells();
  await comes(one, async () => one.database.rows.size === 650);
  for (const { state } of one.database.rows.values()) assert.equal(state, 'settled');
});

it('what goes out while they are read again is under way, and none of them', async (t) => {
  const { redis, port } = await openRedis(t);
  const late: Awaited<ReturnType<typeof goesOut>>[] = [];
  const run: RedisPort['run'] = async (script, keys, args) => {
    if (script.name === 'ledger-scan' && keys.includes(hashOf('one'))) late.push(await goesOut(one));
    return port.run(script, keys, args);
  };
  const one: LedgerBench = await reserving(t, redis, { redis: { ...port, run }, rowsMax: 5 });
  one.database.away = true;
  const made = await Promise.all(Array.from({ length: 10 }, () => goesOut(one)));
  for (const each of made) each.end();
  one.database.away = false;
  await comes(one, async () => one.database.rows.size === 10 && late.length > 0);
  for (const { dispatch } of late) assert.equal(one.database.rows.has(dispatch.id), false);
  for (const each of late) each.end();
  await comes(one, async () => one.database.rows.size === 10 + late.length);
  assert.ok([...one.database.rows.values()].every(({ state }) => state === 'settled'));
});

it('what is in the database is forgotten in Redis, also where that did not answer meanwhile, and before the hub ends', async (t) => {
  const { redis, port } = await openRedis(t);
  let deaf = false;
  const run: RedisPort['run'] = async (script, keys, args) => {
    if (deaf && script.name === 'ledger-forget') throw new Error('away');
    return port.run(script, keys, args);
  };
  const one = await reserving(t, redis, { redis: { ...port, run }, rowsMax: 2_000 });
  deaf = true;
  const made = await Promise.all(Array.from({ length: 1_100 }, () => goesOut(one)));
  for (const each of made) each.end();
  await comes(one, async () => one.database.rows.size === 1_100);
  assert.equal(await redis.command('HLEN', hashOf('one')), 1_100);
  deaf = false;
  await comes(one, async () => (await redis.command('EXISTS', hashOf('one'))) === 0);
  (await goesOut(one)).end();
  await one.ledger.close(never);
  assert.deepEqual([one.database.rows.size, await redis.command('EXISTS', hashOf('one'))], [1_101, 0]);
});
