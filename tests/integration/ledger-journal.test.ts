/** The ledger's journal in a folder of the test, with a database that can be away and a clock that the test moves. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { UnavailableError } from '#core/errors';
import { seededRandom } from '#core/random';
import type { Ledger, LedgerEntry, Settlement, UsageDispatch, UsageRecord } from '#contract/ledger';
import { openLedger } from '#ledger/ledger';
import type { UsageLedger } from '#ledger/ledger';
import { Reservations } from '#ledger/reservations';
import { connectRedis, RedisNotSentError } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { createBatchWriter, FolderLockedError, lockFolder } from '#storage/index';
import { START_MS, usageOf } from '../conformance/records.ts';
import { temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { startRedis } from '../helpers/redis.ts';
import { listeners, nothingTold, openGuard } from '../helpers/storage.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

interface Bench {
  readonly ledger: UsageLedger;
  readonly clock: VirtualClock;
  readonly database: { away: boolean; rows: Map<string, UsageRecord>; writes: number };
  readonly told: { written: number; dropped: number; unjournalled: number };
  readonly folder: string;
  /** Of this ledger alone. */
  readonly own: string;
}

async function bench(t: TestContext, given?: string, rowsMax = 100, redis: RedisPort | null = null): Promise<Bench> {
  const folder = given ?? (await temporaryFolder(t));
  const clock = new VirtualClock();
  const database: Bench['database'] = { away: false, rows: new Map(), writes: 0 };
  const told = { written: 0, dropped: 0, unjournalled: 0 };
  const { logger } = listeners(nothingTold());
  const before = new Set(readdirSync(folder));
  const parts = { incarnation: 'one', guard: openGuard, clock, random: seededRandom(1), logger };
  const ledger = openLedger({
    folder,
    lock: tryLock,
    reservations: redis === null ? null : new Reservations({ ...parts, redis }),
    clock,
    logger,
    observer: { ledgerRow: (end) => void told[end]++, ledgerUnjournalled: () => void told.unjournalled++ },
    createWriter: (ended) =>
      createBatchWriter<UsageRecord>({
        noun: 'usage-row',
        rowsMax,
        clock,
        logger,
        ended,
        write: async (rows) => {
          if (database.away) throw new UnavailableError('database_unavailable', 'away');
          for (const row of rows) if (!database.rows.has(row.id)) database.rows.set(row.id, structuredClone(row));
          database.writes++;
        },
      }),
  });
  const own = readdirSync(folder).find((name) => !before.has(name)) ?? assert.fail('no folder of its own');
  return { ledger, clock, database, told, folder, own: path.join(folder, own) };
}

function tryLock(folder: string): { release(): void } | null {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof FolderLockedError) return null;
    throw error;
  }
}

/** A row taken apart into what the gateway tells. */
function attempt(fields: Partial<UsageRecord> = {}): { dispatch: UsageDispatch; settlement: Settlement } {
  const {
    state: _state,
    outcome,
    promptTokens,
    completionTokens,
    cachedTokens,
    costMicroUsd,
    priceSource,
    ...dispatch
  } = usageOf('prj', fields);
  return { dispatch, settlement: { outcome, promptTokens, completionTokens, cachedTokens, costMicroUsd, priceSource } };
}

function segments(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.log'));
}

/** Lets the file system answer, and time go by, until it is so. */
async function passes({ clock }: Bench, ask: () => boolean): Promise<void> {
  await waitFor(async () => {
    await clock.advance(1_000);
    return ask() ? true : null;
  });
}

const never = new AbortController().signal;

function goesOut(ledger: Ledger, dispatch: UsageDispatch): LedgerEntry {
  const entry = ledger.dispatched(dispatch);
  ledger.secure();
  return entry;
}

it('what is dispatched is in the journal before it goes out, whole, without anything of the prompt', async (t) => {
  const { ledger, own } = await bench(t);
  const { dispatch } = attempt();
  goesOut(ledger, dispatch);
  assert.deepEqual(JSON.parse(readFileSync(path.join(own, segments(own)[0] ?? ''), 'utf8')), dispatch);
});

it('an attempt that is settled twice is written once, as it was settled first', async (t) => {
  const { ledger, clock, database, told } = await bench(t);
  const { dispatch, settlement } = attempt();
  const entry = goesOut(ledger, dispatch);
  entry.settled(settlement);
  entry.settled({ ...settlement, outcome: 'cut' });
  await clock.advance(100);
  assert.deepEqual([...database.rows.values()], [{ ...dispatch, ...settlement, state: 'settled' }]);
  assert.deepEqual(told, { written: 1, dropped: 0, unjournalled: 0 });
});

it('what turned out not to be sent has no row, unless the journal knew of it already', async (t) => {
  const { ledger, clock, database, told, own } = await bench(t);
  const [unsent, known] = [attempt({ outcome: 'untranslatable' }), attempt({ outcome: 'untranslatable' })];
  ledger.dispatched(unsent.dispatch).settled(unsent.settlement);
  ledger.secure();
  assert.deepEqual(segments(own), []);
  goesOut(ledger, known.dispatch).settled(known.settlement);
  await clock.advance(1_000);
  assert.deepEqual([...database.rows.keys()], [known.dispatch.id]);
  assert.deepEqual(told, { written: 1, dropped: 0, unjournalled: 0 });
});

it('segments end at a mebibyte and go when the database has all of their rows, not before', async (t) => {
  const { ledger, clock, database, own } = await bench(t, undefined, 50_000);
  database.away = true;
  const all = Array.from({ length: 6_000 }, () => attempt());
  const entries = all.map(({ dispatch }) => goesOut(ledger, dispatch));
  for (const [at, entry] of entries.entries()) entry.settled(all[at]?.settlement ?? assert.fail());
  await clock.advance(1_000);
  assert.equal(segments(own).length, 2);
  assert.ok(ledger.journalBytes > 2 ** 21);
  database.away = false;
  await clock.advance(5_000);
  assert.deepEqual([database.rows.size, ledger.backlog], [6_000, 0]);
  assert.deepEqual(segments(own), []);
  await ledger.close(never);
});

it('rows that memory has no room for wait in the journal, and are written when the database is back, none twice', async (t) => {
  // More than a replay hands over at once.
  const one = await bench(t, undefined, 600);
  const { ledger, database, told, own } = one;
  const open = attempt();
  const entry = goesOut(ledger, open.dispatch);
  database.away = true;
  const all = Array.from({ length: 1_500 }, (_, index) => attempt({ promptTokens: index }));
  for (const { dispatch, settlement } of all) goesOut(ledger, dispatch).settled(settlement);
  assert.deepEqual([ledger.backlog, told.dropped], [600, 0]);
  database.away = false;
  await passes(one, () => database.rows.size === 1_500);
  for (const { dispatch, settlement } of all)
    assert.deepEqual(database.rows.get(dispatch.id), { ...dispatch, ...settlement, state: 'settled' });
  assert.ok(!database.rows.has(open.dispatch.id), 'one under way is not taken for interrupted');
  entry.settled(open.settlement);
  await ledger.close(never);
  assert.equal(database.rows.size, 1_501);
  assert.deepEqual(readdirSync(path.dirname(own)), [], 'nothing is left of it');
});

it('a dead hub’s journal is taken over: settled rows as they were, open ones as interrupted, a torn end is passed over', async (t) => {
  const folder = await temporaryFolder(t);
  const dead = path.join(folder, 'hub-dead');
  mkdirSync(dead);
  const [settled, open, torn] = [attempt(), attempt(), attempt()];
  writeFileSync(
    path.join(dead, '00000001.log'),
    `${JSON.stringify(settled.dispatch)}\n${JSON.stringify(open.dispatch)}\n`,
  );
  const end = `${JSON.stringify({ of: settled.dispatch.id, ...settled.settlement })}\n`;
  appendFileSync(path.join(dead, '00000002.log'), `${end}${JSON.stringify(torn.dispatch).slice(0, -9)}`);
  const one = await bench(t, folder);
  await passes(one, () => !readdirSync(folder).includes('hub-dead'));
  assert.equal(one.database.rows.size, 2);
  assert.equal(one.database.rows.get(settled.dispatch.id)?.state, 'settled');
  const { state, outcome, promptTokens, costMicroUsd, estimatedPromptTokens } =
    one.database.rows.get(open.dispatch.id) ?? assert.fail('the open one is lost');
  assert.deepEqual([state, outcome, promptTokens, costMicroUsd], ['interrupted', 'running', null, null]);
  assert.equal(estimatedPromptTokens, open.dispatch.estimatedPromptTokens);
});

it('a journal that cannot be read keeps nobody from taking over the others, and stays', async (t) => {
  const folder = await temporaryFolder(t);
  const { dispatch } = attempt();
  mkdirSync(path.join(folder, 'hub-a', '00000001.log'), { recursive: true });
  mkdirSync(path.join(folder, 'hub-b'));
  writeFileSync(path.join(folder, 'hub-b', '00000001.log'), `${JSON.stringify(dispatch)}\n`);
  const one = await bench(t, folder);
  await passes(one, () => !readdirSync(folder).includes('hub-b'));
  assert.deepEqual([...one.database.rows.keys()], [dispatch.id]);
  assert.ok(readdirSync(folder).includes('hub-a'));
});

it('the journal of a hub that lives is left alone, and that of a dead one kept while the database is away', async (t) => {
  const living = await bench(t);
  const { dispatch } = attempt();
  goesOut(living.ledger, dispatch);
  // A lock of the operating system, which the process that holds it is told of too.
  const dead = path.join(living.folder, 'hub-dead');
  mkdirSync(dead);
  const lost = attempt();
  writeFileSync(path.join(dead, '00000001.log'), `${JSON.stringify(lost.dispatch)}\n`);
  const other = await bench(t, living.folder);
  other.database.away = true;
  await other.clock.advance(5_000);
  assert.deepEqual([segments(dead).length, segments(living.own).length], [1, 1]);
  other.database.away = false;
  await passes(other, () => other.database.rows.size === 1);
  await passes(other, () => !readdirSync(living.folder).includes('hub-dead'));
  assert.deepEqual([...other.database.rows.keys()], [lost.dispatch.id]);
  assert.equal(segments(living.own).length, 1);
});

it('a journal that cannot be written stops no call: each is counted, its row is written all the same, and it is tried again', async (t) => {
  const { ledger, clock, database, told, own } = await bench(t);
  rmSync(own, { recursive: true });
  const [first, second, third] = [attempt(), attempt(), attempt()];
  const entries = [first, second].map(({ dispatch }) => goesOut(ledger, dispatch));
  assert.equal(told.unjournalled, 2);
  mkdirSync(own);
  await clock.advance(1_000);
  entries.push(goesOut(ledger, third.dispatch));
  assert.equal(told.unjournalled, 2);
  for (const entry of entries) entry.settled(first.settlement);
  await clock.advance(1_000);
  assert.equal(database.rows.size, 3);
});

it('a hub that stops while the database is away leaves its rows to the next start', async (t) => {
  const stopping = await bench(t);
  stopping.database.away = true;
  const { dispatch, settlement } = attempt();
  goesOut(stopping.ledger, dispatch).settled(settlement);
  const closed = assert.rejects(stopping.ledger.close(AbortSignal.abort(new Error('too long'))), /too long/);
  await closed;
  const next = await bench(t, stopping.folder);
  await passes(next, () => next.database.rows.size === 1);
  assert.equal(next.database.rows.get(dispatch.id)?.state, 'settled', 'not interrupted: its end was known');
});

it('the folder that a dead hub left without a journal goes when it is old; a living hub’s stays, and what is no hub’s', async (t) => {
  const living = await bench(t);
  const { folder } = living;
  for (const name of ['hub-dead', 'hub-unlocked', 'hub-young', 'other']) mkdirSync(path.join(folder, name));
  lockFolder(path.join(folder, 'hub-dead')).release();
  writeFileSync(path.join(folder, 'hub-file'), '');
  for (const name of readdirSync(folder)) {
    const changed = new Date(START_MS - (name === 'hub-young' ? 0 : 3_600_000));
    utimesSync(path.join(folder, name), changed, changed);
  }
  const two = await bench(t, folder);
  const stay = [path.basename(living.own), path.basename(two.own), 'hub-file', 'other'];
  await two.clock.advance(60_000);
  assert.deepEqual(readdirSync(folder).toSorted(), [...stay, 'hub-young'].toSorted());
  // Nobody takes that long to start.
  await two.clock.advance(600_000);
  assert.deepEqual(readdirSync(folder).toSorted(), stay.toSorted());
  goesOut(living.ledger, attempt().dispatch);
  assert.equal(living.told.unjournalled, 0);
});

type Attempt = ReturnType<typeof attempt>;

/** The journal of a hub that died. */
function journalled(folder: string, open: readonly Attempt[], settled: readonly Attempt[] = []): void {
  mkdirSync(folder);
  const dispatches = [...open, ...settled].map(({ dispatch }) => dispatch);
  const ends = settled.map(({ dispatch, settlement }) => ({ of: dispatch.id, ...settlement }));
  const lines = [...dispatches, ...ends].map((line) => `${JSON.stringify(line)}\n`);
  writeFileSync(path.join(folder, '00000001.log'), lines.join(''));
}

/**
 * A hub that died while Redis was slow: two attempts are in its journal and in Redis, and either knows how one of them ended. Another hub
 * has read both while the database was away.
 */
async function leftInBoth(t: TestContext) {
  const redis = await startRedis();
  const random = seededRandom(2);
  const port = connectRedis({ url: redis.url, name: 'test', mustKeep: false, random, onError: () => undefined });
  t.after(async () => {
    port.close();
    await redis.close();
  });
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
  const one = await bench(t, folder, 100, port);
  one.database.away = true;
  await passes(one, () => one.ledger.backlog === 4);
  return { one, redis, reserved, settled: [here, there], open: [journalOnly, redisOnly] };
}

it('an attempt that ended before Redis took it is written, and no line of it is left in the journal', async (t) => {
  const none = (): void => undefined;
  const run: RedisPort['run'] = async ({ name }) =>
    name === 'ledger-put' ? new Promise(none) : Number(name === 'ledger-beat');
  const one = await bench(t, undefined, 100, { run, subscribe: none, onReady: none, close: none });
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
  const one = await bench(t, undefined, 100, { run, subscribe: none, onReady: none, close: none });
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
